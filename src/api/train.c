/* Public training: one step at a time over the caller's batches (train/step.h). */
#include "api/handle.h"
#include "base/file.h"
#include "base/pool.h"
#include "hone/model.h"
#include "text/tokenizer.h"
#include "train/language.h"
#include "train/result.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { DEFAULT_TOKENS = 2048, DEFAULT_SEQUENCES = 32 };

struct hone_trainer {
    hone_context *h;
    arena mem;
    const char *tokenizer, *from; /* from: the saved model's folder; NULL: drawn */
    model_config config;
    model *model;
    language language;
    pool *workers;
    states *store;
    step *s;
    int64_t updates;
    int32_t *targets, *positions, *offsets; /* of a step */
};

/* A model to go on from, or the preset with its tokenizer's vocabulary. */
static status take_model(hone_trainer *t, const hone_trainer_options *o) {
    context *cx = t->h->cx;
    if (!o->model == !o->preset)
        FAIL(cx, STATUS_BAD_ARGUMENT, "give either a model or a preset to train");
    if (o->model && o->tokenizer)
        FAIL(cx, STATUS_BAD_ARGUMENT, "a saved model brings its own tokenizer");
    if (o->model) {
        TRY(model_open(cx, o->model, &t->model));
        t->config = t->model->config;
        t->from = t->tokenizer = arena_strdup(&t->mem, o->model);
        return t->from ? STATUS_OK : STATUS_NO_MEMORY;
    }
    TRY(model_preset(cx, o->preset, &t->config));
    if (!o->tokenizer) FAIL(cx, STATUS_BAD_ARGUMENT, "a preset needs a tokenizer");
    tokenizer *words;
    TRY(tokenizer_open(cx, o->tokenizer, &words));
    t->config.vocabulary = tokenizer_size(words);
    t->config.begin_token = tokenizer_before(words);
    t->config.end_token_count = tokenizer_after(words) >= 0;
    t->config.end_tokens[0] = tokenizer_after(words);
    tokenizer_free(words);
    t->tokenizer = arena_strdup(&t->mem, o->tokenizer);
    return t->tokenizer ? STATUS_OK : STATUS_NO_MEMORY;
}

static status step_options_of(context *cx, const hone_trainer_options *o, step_options *out) {
    const char *optimiser = o->optimiser ? o->optimiser : "adamw";
    const char *precision = o->precision ? o->precision : "f32";
    *out = (step_options){.tokens = o->tokens ? o->tokens : DEFAULT_TOKENS,
                          .sequences = o->sequences ? o->sequences : DEFAULT_SEQUENCES,
                          .clip = o->clip,
                          .optimiser = optimiser_find(optimiser),
                          .optimiser_options = {.decay = o->weight_decay,
                                                .beta1 = 0.9,
                                                .beta2 = 0.95,
                                                .eps = 1e-8,
                                                .momentum = 0.9},
                          .precision = strcmp(precision, "f32") ? num_find(precision) : NULL,
                          .seed = o->seed};
    if (!out->optimiser) return optimiser_unknown(cx, optimiser);
    if (strcmp(precision, "f32") != 0 && strcmp(precision, "bf16") != 0)
        FAIL(cx, STATUS_BAD_ARGUMENT, "products are of f32 or bf16, not '%s'", precision);
    if (out->tokens < 2 || out->tokens > 1 << 24 || out->sequences < 1 ||
        out->sequences > out->tokens || o->clip < 0 || o->weight_decay < 0)
        FAIL(cx, STATUS_BAD_ARGUMENT,
             "a step has 2 .. 16777216 tokens in 1 or more sequences, no more than tokens; clip "
             "and weight_decay are not negative");
    return STATUS_OK;
}

static status open_trainer(hone_trainer *t, const hone_trainer_options *o) {
    context *cx = t->h->cx;
    step_options how;
    TRY(step_options_of(cx, o, &how));
    TRY(take_model(t, o));
    t->language = (language){.config = &t->config, .from = t->model, .seed = o->seed};
    step_model what = language_model(&t->language);
    TRY(pool_new(cx, o->threads, &t->workers));
    t->store = states_new(cx);
    t->targets = ARENA_NEW(&t->mem, int32_t, how.tokens);
    t->positions = ARENA_NEW(&t->mem, int32_t, how.tokens);
    t->offsets = ARENA_NEW(&t->mem, int32_t, how.sequences + 1);
    if (!t->store || !t->targets || !t->positions || !t->offsets) return STATUS_NO_MEMORY;
    return step_new(cx, &what, &how, t->store, t->workers, &t->s);
}

hone_trainer *hone_trainer_new(hone_context *h, const hone_trainer_options *options) {
    hone_trainer *t = context_zalloc(h->cx, sizeof *t);
    if (!t) return NULL;
    t->h = h;
    t->mem = arena_make(h->cx);
    if (open_trainer(t, options) == STATUS_OK) return t;
    hone_trainer_free(t);
    return NULL;
}

void hone_trainer_free(hone_trainer *t) {
    if (!t) return;
    context *cx = t->h->cx;
    step_free(t->s);
    states_free(t->store);
    pool_free(t->workers);
    model_close(t->model);
    arena_free(&t->mem);
    context_release(cx, t);
}

/* ---- a step ---- */

static status check_batch(const hone_trainer *t, const hone_batch *b, int64_t *tokens) {
    context *cx = t->h->cx;
    const step_options *o = &t->s->options;
    *tokens = 0;
    if (b->sequences < 1 || b->sequences > o->sequences)
        FAIL(cx, STATUS_BAD_ARGUMENT, "a batch of %lld sequences: this trainer takes 1 .. %lld",
             (long long)b->sequences, (long long)o->sequences);
    for (int64_t i = 0; i < b->sequences; i++) {
        int64_t length = b->lengths[i];
        if (length < 1 || length > t->config.positions || length > o->tokens - *tokens)
            FAIL(cx, STATUS_BAD_ARGUMENT,
                 "sequence %lld has %lld tokens: at least 1, at most %lld each and %lld in all",
                 (long long)i + 1, (long long)length, (long long)t->config.positions,
                 (long long)o->tokens);
        *tokens += length;
    }
    for (int64_t i = 0; i < *tokens; i++) {
        int32_t most = MAX_OF(b->ids[i], b->targets ? b->targets[i] : 0);
        if (b->ids[i] < 0 || most >= t->config.vocabulary)
            FAIL(cx, STATUS_BAD_ARGUMENT, "id %d at %lld: the vocabulary is 0 .. %lld",
                 b->ids[i] < 0 ? b->ids[i] : most, (long long)i,
                 (long long)t->config.vocabulary - 1);
    }
    return STATUS_OK;
}

static void lay_out(hone_trainer *t, const hone_batch *b) {
    int64_t at = 0;
    for (int64_t i = 0; i < b->sequences; i++) {
        t->offsets[i] = (int32_t)at;
        for (int64_t k = 0; k < b->lengths[i]; k++, at++) {
            bool last = k + 1 == b->lengths[i];
            t->positions[at] = (int32_t)k;
            t->targets[at] = b->targets ? b->targets[at] : last ? -1 : b->ids[at + 1];
        }
    }
    t->offsets[b->sequences] = (int32_t)at;
}

static status train_step(hone_trainer *t, const hone_batch *b, double lr, hone_learned *out) {
    int64_t tokens;
    step_result result;
    TRY(check_batch(t, b, &tokens));
    lay_out(t, b);
    step_batch whole = {.ids = b->ids,
                        .targets = t->targets,
                        .positions = t->positions,
                        .offsets = t->offsets,
                        .tokens = tokens,
                        .sequences = b->sequences};
    TRY(step_run(t->s, &whole, 1, lr, t->updates + 1, &result));
    t->updates++;
    if (out) *out = (hone_learned){result.loss, result.norm, result.tokens};
    return STATUS_OK;
}

hone_status hone_train_step(hone_trainer *t, const hone_batch *batch, double lr,
                            hone_learned *out) {
    return status_public(train_step(t, batch, lr, out));
}

/* ---- saving ---- */

static status save(hone_trainer *t, const char *folder, const char *format) {
    context *cx = t->h->cx;
    if (mkdir(folder, 0777) && errno != EEXIST)
        FAIL(cx, STATUS_IO, "making the folder '%s': %s", folder, strerror(errno));
    TRY(model_save(cx, folder, &t->config, t->store, format));
    return result_write_tokenizer(cx, folder, t->tokenizer, t->from, &t->config);
}

hone_status hone_trainer_save(hone_trainer *t, const char *folder, const char *format) {
    return status_public(save(t, folder, format ? format : "f32"));
}
