#include "eval/likelihood.h"
#include <string.h>

enum { USUAL_CONTEXT = 1024, USUAL_ROWS = 2048, LEAST_SEQUENCE = 8, MOST_LOGIT_BYTES = 256 << 20 };

static status open_parts(likelihood *l, const char *path, const char *tokenizer_path) {
    likelihood_options *o = &l->options;
    TRY(model_open(l->cx, path, &l->m));
    int64_t positions = l->m->config.positions;
    if (!o->context) o->context = MIN_OF(positions, USUAL_CONTEXT);
    if (o->context < 2 || o->context > positions)
        FAIL(l->cx, STATUS_BAD_ARGUMENT, "a context of %lld: the model '%s' has %lld positions",
             (long long)o->context, path, (long long)positions);
    int64_t usual = USUAL_ROWS;
    if (o->keeps_logits)
        usual = MIN_OF(usual, MOST_LOGIT_BYTES / (int64_t)sizeof(float) / l->m->config.vocabulary);
    o->rows = MAX_OF(o->rows ? o->rows : usual, o->context);
    TRY(tokenizer_open(l->cx, tokenizer_path ? tokenizer_path : path, &l->words));
    if (tokenizer_size(l->words) > l->m->config.vocabulary)
        FAIL(l->cx, STATUS_BAD_ARGUMENT,
             "the tokenizer has %d ids, but the model '%s' knows only %lld",
             tokenizer_size(l->words), path, (long long)l->m->config.vocabulary);
    TRY(encoder_new(l->cx, l->words, &l->encoder));
    TRY(pool_new(l->cx, o->threads, &l->workers));
    l->store = states_new(l->cx);
    l->most_sequences = MAX_OF(o->rows / LEAST_SEQUENCE, 1);
    l->ids = ARENA_NEW(&l->mem, int32_t, o->rows);
    l->targets = ARENA_NEW(&l->mem, int32_t, o->rows);
    l->positions = ARENA_NEW(&l->mem, int32_t, o->rows);
    l->offsets = ARENA_NEW(&l->mem, int32_t, l->most_sequences + 1);
    l->sums = ARENA_NEW(&l->mem, likelihood_sum *, l->most_sequences);
    bool all = l->store && l->ids && l->targets && l->positions && l->offsets && l->sums;
    return all ? STATUS_OK : STATUS_NO_MEMORY;
}

status likelihood_open(context *cx, const char *path, const char *tokenizer_path,
                       const likelihood_options *o, likelihood *out) {
    *out = (likelihood){.cx = cx, .mem = arena_make(cx), .options = *o};
    status st = open_parts(out, path, tokenizer_path);
    if (st == STATUS_OK) {
        out->language = (language){.config = &out->m->config, .from = out->m, .stored = true};
        step_model m = language_model(&out->language);
        step_options bounds = {.tokens = out->options.rows,
                               .sequences = out->most_sequences,
                               .precision = o->precision,
                               .act_int8 = !o->act_bf16,
                               .w8a8 = o->w8a8,
                               .keeps_logits = o->keeps_logits};
        st = score_new(cx, &m, &bounds, out->store, out->workers, &out->s);
    }
    if (st != STATUS_OK) likelihood_close(out);
    return st;
}

void likelihood_close(likelihood *l) {
    if (!l->cx) return;
    score_free(l->s);
    states_free(l->store);
    pool_free(l->workers);
    encoder_free(l->encoder);
    tokenizer_free(l->words);
    model_close(l->m);
    arena_free(&l->mem);
    *l = (likelihood){0};
}

status likelihood_score(likelihood *l, const step_batch *b, const float **each) {
    TRY(score_run(l->s, b, !l->ran, each));
    l->ran = true;
    return STATUS_OK;
}

status likelihood_flush(likelihood *l) {
    const float *each;
    if (!l->sequences) return STATUS_OK;
    l->offsets[l->sequences] = (int32_t)l->tokens;
    step_batch b = {l->ids, l->targets, l->positions, l->offsets, l->tokens, l->sequences};
    TRY(likelihood_score(l, &b, &each));
    if (l->watch.batch) TRY(l->watch.batch(l->watch.user, &b, each, l->sums));
    for (int64_t s = 0; s < l->sequences; s++)
        for (int64_t i = l->offsets[s]; i < l->offsets[s + 1]; i++) {
            if (l->targets[i] < 0) continue;
            l->sums[s]->nll += (double)each[i];
            l->sums[s]->squares += (double)each[i] * (double)each[i];
            l->sums[s]->count++;
        }
    l->tokens = l->sequences = 0;
    return STATUS_OK;
}

status likelihood_add(likelihood *l, const int32_t *ids, int64_t n, int64_t from,
                      likelihood_sum *sum) {
    if (n < 2 || n > l->options.context || from < 1)
        FAIL(l->cx, STATUS_BUG, "a sequence of %lld ids from %lld", (long long)n, (long long)from);
    if (l->tokens + n - 1 > l->options.rows || l->sequences == l->most_sequences)
        TRY(likelihood_flush(l));
    l->offsets[l->sequences] = (int32_t)l->tokens;
    l->sums[l->sequences++] = sum;
    for (int64_t i = 0; i + 1 < n; i++, l->tokens++) {
        l->ids[l->tokens] = ids[i];
        l->positions[l->tokens] = (int32_t)i;
        l->targets[l->tokens] = i + 1 >= from ? ids[i + 1] : -1;
    }
    return STATUS_OK;
}

/* The begin token that the tokenizer puts in front of everything, or -1. */
static status own_begin(likelihood *l, int32_t *id) {
    token_list special = {.cx = l->cx};
    status st = encoder_run(l->encoder, "", 0, (encode_options){.add_special = true}, &special);
    *id = special.count > 0 ? special.ids[0] : -1;
    token_free(&special);
    return st;
}

status likelihood_encode(likelihood *l, const char *text, int64_t length, likelihood_begin begin,
                         token_list *out, bool *begun) {
    int32_t id;
    TRY(own_begin(l, &id));
    if (id < 0 && begin != BEGIN_TOKENIZER) id = (int32_t)l->m->config.begin_token;
    if (begin == BEGIN_YES && id < 0)
        FAIL(l->cx, STATUS_BAD_ARGUMENT, "the model has no begin token");
    *begun = begin != BEGIN_NO && id >= 0;
    if (!length) FAIL(l->cx, STATUS_BAD_DATA, "the text is empty");
    if (*begun) TRY(token_append(out, id));
    return encoder_run(l->encoder, text, length, (encode_options){0}, out);
}
