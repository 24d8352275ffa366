/* A serving job as it comes: all users ask at once, and are answered (cmd/kit/bench_plan.h). */
#include "base/footprint.h"
#include "cmd/kit/bench_model.h"
#include "cmd/kit/bench_plan.h"
#include "infer/drawn.h"
#include "plan/calibrate.h"
#include <math.h>

static status answer_all(engine *e, const plan_job *j, int64_t vocabulary, int threads,
                         double *seconds) {
    TRY(drawn_submit(e, vocabulary, j->prompt, PLAN_JOB_WARM, 99)); /* fetches pages */
    TRY(drawn_drain(e));
    *seconds = INFINITY;
    for (int round = 0; round < PLAN_JOB_ROUNDS; round++) {
        double begin = calibrate_seconds(threads);
        for (int64_t i = 0; i < j->users; i++)
            TRY(drawn_submit(e, vocabulary, j->prompt, j->answer, (uint64_t)i));
        TRY(drawn_drain(e));
        *seconds = fmin(*seconds, calibrate_seconds(threads) - begin);
    }
    return STATUS_OK;
}

static status run_on(context *cx, const plan_job *j, model *m, int threads, plan_figures *out) {
    int64_t context = j->prompt + j->answer;
    engine_model what = engine_model_of(m, NULL);
    engine_options o = {.context = context,
                        .sequences = j->users,
                        .kv_tokens = context * j->users,
                        .forgets_prefixes = true,
                        .threads = threads};
    engine *e;
    /* once to write the packed layouts' file, then as it comes from there */
    TRY(engine_open(cx, &what, &o, &e));
    engine_close(e);
    int64_t before = footprint_bytes();
    TRY(engine_open(cx, &what, &o, &e));
    status st = answer_all(e, j, m->config.vocabulary, threads, &out->seconds);
    out->bytes = footprint_bytes() - before;
    engine_close(e);
    return st;
}

status plan_job_serve(context *cx, const plan_job *j, int threads, plan_figures *out) {
    arena mem = arena_make(cx);
    const char *path;
    model *m;
    status st = bench_model_find(cx, &mem, j->preset, j->weights, &path);
    if (st == STATUS_OK) st = model_open(cx, path, &m);
    if (st == STATUS_OK) {
        st = run_on(cx, j, m, threads, out);
        model_close(m);
    }
    arena_free(&mem);
    return st;
}
