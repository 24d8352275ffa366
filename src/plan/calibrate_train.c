/* A training step of a small model, forward, backward and update, timed node by node. */
#include "plan/calibrate.h"
#include "train/language.h"

enum {
    LAYERS = 2,
    WIDTH = 384,
    VOCABULARY = 4096,
    BATCH = 4,
    CONTEXT = 256,
    RUNS = CALIBRATE_TRAIN_PIECES
};

static status run_steps(context *cx, calibration *c, step *s) {
    enum { TOKENS = BATCH * CONTEXT };
    arena mem = arena_make(cx);
    int32_t *ids = ARENA_NEW(&mem, int32_t, 3 * TOKENS), offsets[BATCH + 1];
    calibrate_times t = {0};
    status st = ids ? calibrate_times_make(&mem, s->learn, &t) : STATUS_NO_MEMORY;
    for (int i = 0; ids && i < TOKENS; i++) {
        ids[i] = i * 7919 % VOCABULARY;
        ids[TOKENS + i] = (i + 1) * 7919 % VOCABULARY;
        ids[2 * TOKENS + i] = i % CONTEXT;
    }
    for (int i = 0; i <= BATCH; i++) offsets[i] = i * CONTEXT;
    step_batch b = {ids, ids + TOKENS, ids + 2 * TOKENS, offsets, TOKENS, BATCH};
    s->learn->trace = true;
    for (int i = 0; i < RUNS && st == STATUS_OK; i++) {
        step_result r;
        double begin = calibrate_seconds(c->m->threads);
        st = step_run(s, &b, 1, 1e-4, i + 1, &r);
        if (i) calibrate_see(&t, s->learn, calibrate_seconds(c->m->threads) - begin);
        calibrate_show(c);
    }
    if (st == STATUS_OK) calibrate_add(c, s->learn, &t);
    arena_free(&mem);
    return st;
}

static status run_on(context *cx, calibration *c, const num_format *precision, pool *workers,
                     states *store) {
    model_config config;
    TRY(model_config_start(cx, "llama", &config));
    config.layers = LAYERS, config.hidden = WIDTH, config.heads = config.kv_heads = WIDTH / 64;
    config.intermediate = WIDTH * 8 / 3, config.vocabulary = VOCABULARY;
    config.positions = CONTEXT, config.tied = true;
    TRY(model_config_complete(cx, &config));
    language l = {.config = &config, .seed = 1};
    step_model m = language_model(&l);
    step_options o = {.tokens = BATCH * CONTEXT,
                      .sequences = BATCH,
                      .clip = 1,
                      .optimiser = optimiser_find("adamw"),
                      .optimiser_options = {.decay = 0.1, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8},
                      .precision = precision};
    step *s;
    TRY(step_new(cx, &m, &o, store, workers, &s));
    status st = run_steps(cx, c, s);
    step_free(s);
    return st;
}

status calibrate_train(context *cx, calibration *c, const num_format *precision) {
    pool *workers;
    TRY(pool_new(cx, c->m->threads, &workers));
    states *store = states_new(cx);
    status st = store ? run_on(cx, c, precision, workers, store) : STATUS_NO_MEMORY;
    states_free(store);
    pool_free(workers);
    return st;
}
