/* An engine whose weights lie beyond the caches, reading a prompt and decoding, timed node by node. Weights are zeros:
 * nothing here takes longer or shorter by what it multiplies. */
#include "infer/drawn.h"
#include "plan/calibrate.h"
#include <assert.h>

enum {
    WIDTH = 1024,
    INTERMEDIATE = 2816,
    VOCABULARY = 16384,
    PROMPT = 256,
    RUNS = 6,
    STEPS = 16,
    FEW = 8
};

static const num_format *weights_in(void *user, const char *name, int32_t rank) {
    (void)name;
    return num_find(rank > 1 ? user : "f32");
}

/* States that are missing are made by the plan, zeroed. */
static status fill(void *user, states *store, const graph *g) {
    (void)user, (void)store, (void)g;
    return STATUS_OK;
}

/* The next step, timed or not. */
static status step(engine *e, calibration *c, calibrate_times *t) {
    double begin = calibrate_seconds(c->m->threads);
    TRY(engine_step(e));
    if (t) calibrate_see(t, engine_plan(e), calibrate_seconds(c->m->threads) - begin);
    calibrate_show(c);
    return STATUS_OK;
}

static status run_on(engine *e, calibration *c, arena *mem) {
    static const int64_t together[] = {1, FEW};
    static_assert(RUNS + COUNT_OF(together) * STEPS == CALIBRATE_SERVE_PIECES,
                  "what is shown of it");
    const plan *p = engine_plan(e);
    calibrate_times t;
    TRY(calibrate_times_make(mem, p, &t));
    for (int i = 0; i < RUNS; i++) {
        TRY(drawn_submit(e, VOCABULARY, PROMPT, 1, (uint64_t)i));
        TRY(step(e, c, i ? &t : NULL));
        if (i + 1 == RUNS) calibrate_add(c, p, &t);
        TRY(drawn_drain(e));
    }
    for (int k = 0; k < COUNT_OF(together); k++) {
        TRY(calibrate_times_make(mem, p, &t));
        for (int64_t i = 0; i < together[k]; i++)
            TRY(drawn_submit(e, VOCABULARY, PROMPT / 4, 2 * STEPS, (uint64_t)i));
        int64_t ready = engine_look(e).prompt_tokens + together[k] * (PROMPT / 4);
        while (engine_look(e).prompt_tokens < ready) TRY(engine_step(e));
        for (int i = 0; i < STEPS; i++) TRY(step(e, c, i ? &t : NULL));
        calibrate_add(c, p, &t);
        TRY(drawn_drain(e));
    }
    return STATUS_OK;
}

status calibrate_serve(context *cx, calibration *c, const char *weights, const char *act) {
    model_config config;
    int64_t layer = 4 * WIDTH * WIDTH + 3 * WIDTH * INTERMEDIATE;
    int64_t bytes = num_row_bytes(num_find(weights), layer);
    TRY(model_config_start(cx, "llama", &config));
    config.layers = MIN_OF(div_up(2 * cpu_get()->l3_bytes, bytes) + 1, 12);
    config.hidden = WIDTH, config.heads = config.kv_heads = WIDTH / 64;
    config.intermediate = INTERMEDIATE, config.vocabulary = VOCABULARY;
    config.positions = 2 * PROMPT, config.tied = false;
    TRY(model_config_complete(cx, &config));
    engine_model model = {
        .config = &config, .format = weights_in, .fill = fill, .user = (void *)weights};
    engine_options o = {.context = 2 * PROMPT,
                        .sequences = FEW,
                        .kv_tokens = FEW * PROMPT,
                        .act = act,
                        .forgets_prefixes = true,
                        .threads = c->m->threads};
    engine *e;
    arena mem = arena_make(cx);
    TRY(engine_open(cx, &model, &o, &e));
    ((plan *)engine_plan(e))->trace = true;
    status st = run_on(e, c, &mem);
    engine_close(e);
    arena_free(&mem);
    return st;
}
