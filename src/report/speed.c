#include "report/speed.h"
#include "base/footprint.h"
#include "base/sort.h"
#include "base/time.h"
#include "infer/drawn.h"

static void tell(speed_watch w, int64_t sample) {
    if (w.before) w.before(w.user, sample);
}

status speed_prefill(engine *e, int64_t vocabulary, int64_t tokens, int64_t samples,
                     speed_watch watch, speed_series *out) {
    out->n = 0;
    for (int64_t i = -1; i < MIN_OF(samples, SPEED_SAMPLES); i++) {
        TRY(drawn_submit(e, vocabulary, tokens, 1, (uint64_t)i + 2));
        if (i >= 0) tell(watch, i);
        double begin = time_seconds();
        TRY(drawn_drain(e));
        if (i >= 0) out->seconds[out->n++] = time_seconds() - begin;
    }
    return STATUS_OK;
}

status speed_decode(engine *e, int64_t vocabulary, int64_t sequences, int64_t prompt,
                    int64_t tokens, speed_watch watch, speed_series *out) {
    out->n = 0;
    int64_t ready = engine_look(e).prompt_tokens + sequences * prompt;
    for (int64_t i = 0; i < sequences; i++)
        TRY(drawn_submit(e, vocabulary, prompt, tokens + SPEED_PROMPT, (uint64_t)i));
    while (engine_look(e).prompt_tokens < ready) TRY(engine_step(e));
    TRY(engine_step(e));
    for (int64_t done = 0; done + SPEED_STEPS <= tokens && out->n < SPEED_SAMPLES;
         done += SPEED_STEPS) {
        tell(watch, out->n);
        double begin = time_seconds();
        for (int i = 0; i < SPEED_STEPS; i++) TRY(engine_step(e));
        out->seconds[out->n++] = (time_seconds() - begin) / SPEED_STEPS;
    }
    return STATUS_OK;
}

/* ---- a model ---- */

static status time_engine(engine *e, int64_t vocabulary, speed_figures *out) {
    enum { MOST = 512, SAMPLES = 5, DRAWN = 64 };
    speed_series s;
    int64_t context = engine_context(e), prompt = MIN_OF(MOST, context / 2);
    TRY(speed_prefill(e, vocabulary, prompt, SAMPLES, (speed_watch){0}, &s));
    out->prefill_rate = (double)prompt / sort_median(s.seconds, s.n);
    prompt = MIN_OF(SPEED_PROMPT, context / 4);
    int64_t drawn = MAX_OF(MIN_OF(DRAWN, context / 4), SPEED_STEPS);
    TRY(speed_decode(e, vocabulary, 1, prompt, drawn, (speed_watch){0}, &s));
    out->decode_rate = 1 / sort_median(s.seconds, s.n);
    return STATUS_OK;
}

status speed_measure(model *m, const char *act, int threads, speed_figures *out) {
    enum { CONTEXT = 1024 };
    int64_t positions = m->config.positions > 0 ? m->config.positions : CONTEXT;
    engine_options how = {.context = MIN_OF(positions, CONTEXT),
                          .act = act,
                          .threads = threads,
                          .forgets_prefixes = true};
    engine_model what = engine_model_of(m, NULL);
    engine *e;
    footprint_return_freed();
    int64_t before = footprint_bytes();
    footprint_forget_peak();
    int64_t peak_before = footprint_peak_bytes();
    TRY(engine_open(m->cx, &what, &how, &e));
    out->resident_bytes = MAX_OF(footprint_bytes() - before, 0);
    status st = time_engine(e, m->config.vocabulary, out);
    if (peak_before) out->peak_bytes = MAX_OF(footprint_peak_bytes() - peak_before, 0);
    engine_close(e);
    return st;
}
