/* The pairs of runs (cmd/kit/bench_guess.h). */
#include "cmd/kit/bench_guess.h"
#include "base/rng.h"
#include "base/sort.h"
#include "base/time.h"
#include "infer/drawn.h"
#include "infer/speculate.h"

enum { PROMPT = 64, OPENING = 16, DRAWN = 128, PAIRS = 9, MOST_TEXTS = 64 };

/* How sequences draw. */
typedef struct way {
    const char *speculate;    /* who guesses */
    int64_t sequences, texts; /* at once; in all */
    double temperature, repetition_penalty;
    int64_t prompt;
    bool ends; /* a text is over where the model ends it; else after DRAWN tokens */
} way;

typedef struct collected {
    int32_t *ids;
    int64_t n, most;
} collected;

static void collect(void *user, const engine_event *event) {
    collected *c = user;
    if (event->id >= 0 && event->index >= 0 && c->n < c->most) c->ids[c->n++] = event->id;
}

/* Ids at random, or what a trained model says from the beginning of a text on, drawn as the text that its draft learnt
 * (tool/guessing). */
static status make_prompt(bench_model *x, int64_t k, int64_t n, int32_t *ids) {
    rng r = rng_make(5, (uint64_t)k);
    collected c = {.ids = ids, .most = n};
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)rng_below(&r, (uint64_t)x->m->config.vocabulary);
    if (!x->trained) return STATUS_OK;
    const model_config *m = &x->m->config;
    if (m->end_token_count) ids[0] = m->end_tokens[0]; /* behind which the next text begins */
    engine_request q = {.prompt = ids,
                        .n_prompt = 1,
                        .most_tokens = n,
                        .sampling = SAMPLING_PLAIN,
                        .ignore_end = true,
                        .tell = collect,
                        .user = &c};
    uint64_t id;
    q.sampling.seed = (uint64_t)k;
    q.sampling.temperature = 0.7;
    TRY(engine_submit(x->e, &q, &id));
    return drawn_drain(x->e);
}

static void count_drawn(void *user, const engine_event *event) {
    *(int64_t *)user += event->id >= 0;
}

/* Tokens a second. */
static status drawn_rate(bench_model *x, const way *w, bool guesses, double *rate) {
    uint64_t id;
    engine_model draft;
    bool by_draft = guesses && speculate_find(w->speculate)->needs_draft;
    if (by_draft) draft = engine_model_of(x->draft, NULL);
    TRY(bench_model_open_as(x, &(engine_options){.context = 512,
                                                 .sequences = w->sequences,
                                                 .kv_tokens = w->sequences * 512,
                                                 .forgets_prefixes = true,
                                                 .draft = by_draft ? &draft : NULL,
                                                 .speculate = guesses ? w->speculate : NULL}));
    int64_t drawn = 0;
    engine_request all[MOST_TEXTS];
    int32_t prompts[MOST_TEXTS][PROMPT];
    for (int64_t k = 0; k < w->texts; k++) {
        TRY(make_prompt(x, k, w->prompt, prompts[k]));
        all[k] = (engine_request){.prompt = prompts[k],
                                  .n_prompt = w->prompt,
                                  .most_tokens = DRAWN,
                                  .sampling = SAMPLING_PLAIN,
                                  .ignore_end = !w->ends,
                                  .tell = count_drawn,
                                  .user = &drawn};
        all[k].sampling.seed = (uint64_t)k;
        all[k].sampling.temperature = w->temperature;
        all[k].sampling.repetition_penalty = w->repetition_penalty;
    }
    for (int64_t k = 0; k < w->texts; k++) TRY(engine_submit(x->e, &all[k], &id));
    TRY(engine_step(x->e)); /* the first prompts */
    drawn = 0;
    double begin = time_seconds();
    TRY(drawn_drain(x->e));
    *rate = (double)drawn / (time_seconds() - begin);
    return STATUS_OK;
}

static status gain(bench_model *x, way w, double *value) {
    double ratio[PAIRS], with, without;
    for (int i = 0; i < PAIRS; i++) {
        TRY(drawn_rate(x, &w, true, &with));
        TRY(drawn_rate(x, &w, false, &without));
        ratio[i] = with / without;
    }
    *value = sort_median(ratio, PAIRS);
    return STATUS_OK;
}

static status quotes(bench_model *x, int64_t sequences, double *value) {
    return gain(x, (way){"ngram", sequences, sequences, 0, 0.05, PROMPT, false}, value);
}
status bench_guess_quotes_1(bench_model *x, double *value) {
    return quotes(x, 1, value);
}
status bench_guess_quotes_16(bench_model *x, double *value) {
    return quotes(x, 16, value);
}

static status new_text(bench_model *x, int64_t sequences, double *value) {
    return gain(x, (way){"ngram", sequences, sequences, 1, 1, PROMPT, false}, value);
}
status bench_guess_new_1(bench_model *x, double *value) {
    return new_text(x, 1, value);
}
status bench_guess_new_16(bench_model *x, double *value) {
    return new_text(x, 16, value);
}

/* Texts from their openings to where the model ends them, one after the other where one is drawn at a time. */
static status drafted(bench_model *x, int64_t sequences, double *value) {
    int64_t texts = MIN_OF(12 * sequences, MOST_TEXTS);
    return gain(x, (way){"draft", sequences, texts, 0, 1, OPENING, true}, value);
}
status bench_guess_draft_1(bench_model *x, double *value) {
    return drafted(x, 1, value);
}
status bench_guess_draft_4(bench_model *x, double *value) {
    return drafted(x, 4, value);
}
status bench_guess_draft_16(bench_model *x, double *value) {
    return drafted(x, 16, value);
}
