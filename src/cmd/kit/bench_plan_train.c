/* What a job is predicted to take, and a training job as it comes (cmd/kit/bench_plan.h). */
#include "cmd/kit/bench_plan.h"
#include "base/footprint.h"
#include "plan/calibrate.h"
#include "train/language.h"
#include <math.h>

enum { STEPS = 4 };

static status predict_train(context *cx, const plan_job *j, const machine *m, const model_config *c,
                            plan_figures *out) {
    estimate e;
    train_setting s = {.precision = num_find(j->precision),
                       .recompute = j->recompute,
                       .optimiser = "adamw",
                       .batch = j->batch,
                       .context = j->context,
                       .accumulate = 1,
                       .tokens = (double)(j->batch * j->context)};
    TRY(estimate_train(cx, c, &s, m, &e));
    *out = (plan_figures){e.seconds, e.bytes.total};
    return STATUS_OK;
}

status plan_job_predict(context *cx, const plan_job *j, const machine *m, plan_figures *out) {
    model_config c;
    TRY(model_preset(cx, j->preset, &c));
    if (!j->weights) return predict_train(cx, j, m, &c, out);
    serve_estimate e;
    serve_setting s = {.users = j->users,
                       .prompt = j->prompt,
                       .answer = j->answer,
                       .tokens =
                           (double)(j->users * (j->prompt + j->answer) + j->prompt + PLAN_JOB_WARM),
                       .weights = j->weights,
                       .kv = "bf16"};
    TRY(estimate_serve(cx, &c, &s, m, &e));
    *out = (plan_figures){(double)(j->users * j->answer) / e.tokens_per_second, e.bytes.total};
    return STATUS_OK;
}

static status run_steps(step *s, const plan_job *j, int64_t vocabulary, arena *mem, int threads,
                        double *seconds) {
    int64_t tokens = j->batch * j->context;
    int32_t *ids = ARENA_NEW(mem, int32_t, 3 * tokens);
    int32_t *offsets = ARENA_NEW(mem, int32_t, j->batch + 1);
    if (!ids || !offsets) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < tokens; i++) {
        ids[i] = (int32_t)(i * 7919 % vocabulary);
        ids[tokens + i] = (int32_t)((i + 1) * 7919 % vocabulary);
        ids[2 * tokens + i] = (int32_t)(i % j->context);
    }
    for (int64_t i = 0; i <= j->batch; i++) offsets[i] = (int32_t)(i * j->context);
    step_batch b = {ids, ids + tokens, ids + 2 * tokens, offsets, tokens, j->batch};
    *seconds = INFINITY;
    for (int i = 0; i < STEPS; i++) {
        step_result r;
        double begin = calibrate_seconds(threads);
        TRY(step_run(s, &b, 1, 1e-4, i + 1, &r));
        if (i) *seconds = fmin(*seconds, calibrate_seconds(threads) - begin);
    }
    return STATUS_OK;
}

static status run_on(context *cx, const plan_job *j, pool *workers, states *store, arena *mem,
                     int threads, double *seconds) {
    model_config c;
    TRY(model_preset(cx, j->preset, &c));
    language l = {.config = &c, .seed = 1};
    step_model m = language_model(&l);
    step_options o = {.tokens = j->batch * j->context,
                      .sequences = j->batch,
                      .clip = 1,
                      .optimiser = optimiser_find("adamw"),
                      .optimiser_options = {.decay = 0.1, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8},
                      .precision = num_find(j->precision),
                      .recompute = j->recompute};
    step *s;
    TRY(step_new(cx, &m, &o, store, workers, &s));
    status st = run_steps(s, j, c.vocabulary, mem, threads, seconds);
    step_free(s);
    return st;
}

status plan_job_train(context *cx, const plan_job *j, int threads, plan_figures *out) {
    pool *workers;
    arena mem = arena_make(cx);
    TRY(pool_new(cx, threads, &workers));
    footprint_forget_peak();
    int64_t before = footprint_peak_bytes();
    states *store = states_new(cx);
    status st =
        store ? run_on(cx, j, workers, store, &mem, threads, &out->seconds) : STATUS_NO_MEMORY;
    out->bytes = footprint_peak_bytes() - before;
    states_free(store);
    arena_free(&mem);
    pool_free(workers);
    return st;
}
