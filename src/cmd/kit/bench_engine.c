/* The runs behind each gain (cmd/kit/bench_engine.h). */
#include "cmd/kit/bench_engine.h"
#include "base/rng.h"
#include "base/sort.h"
#include "base/time.h"
#include "cmd/kit/bench_guess.h"
#include "infer/drawn.h"
#include <math.h>

/* ---- a trace of lengths, as people write ---- */

enum { TRACE = 48, SIDE_BY_SIDE = 16, MEAN_PROMPT = 161, MEAN_ANSWER = 338, TRACE_CONTEXT = 2048 };

/* Lognormal with this mean and a deviation of 0.7 in the logarithm. */
static int64_t lognormal(rng *r, double mean, int64_t most) {
    double length = mean * exp(0.7 * rng_normal(r) - 0.7 * 0.7 / 2);
    return MAX_OF(1, MIN_OF((int64_t)length, most));
}

typedef struct trace_request {
    int64_t prompt, answer;
} trace_request;

static void draw_trace(trace_request all[TRACE]) {
    rng r = rng_make(1, 1);
    for (int i = 0; i < TRACE; i++) {
        all[i].prompt = lognormal(&r, MEAN_PROMPT, TRACE_CONTEXT / 2);
        all[i].answer = lognormal(&r, MEAN_ANSWER, TRACE_CONTEXT / 2 - 1);
    }
}

static status submit(bench_model *x, trace_request q, int seed) {
    return drawn_submit(x->e, x->m->config.vocabulary, q.prompt, q.answer, (uint64_t)seed);
}

static status submit_trace(bench_model *x, const trace_request all[TRACE]) {
    for (int i = 0; i < TRACE; i++) TRY(submit(x, all[i], i));
    return STATUS_OK;
}

/* Static batches: nobody joins before the longest answer has ended, and a slot whose own answer has is computed all the
 * same until then (Yu et al., "Orca", 2022, section 3). Prompts are as long as they are, without padding. */
static status run_static(bench_model *x, const trace_request all[TRACE]) {
    for (int i = 0; i < TRACE; i += SIDE_BY_SIDE) {
        int64_t longest = 0;
        int end = MIN_OF(i + SIDE_BY_SIDE, TRACE);
        for (int k = i; k < end; k++) longest = MAX_OF(longest, all[k].answer);
        for (int k = i; k < end; k++) TRY(submit(x, (trace_request){all[k].prompt, longest}, k));
        TRY(drawn_drain(x->e));
    }
    return STATUS_OK;
}

/* The same requests are answered both ways; the way that is measured goes first, and so fetches the pages too. */
static status continuous(bench_model *x, double *value) {
    trace_request all[TRACE];
    draw_trace(all);
    TRY(bench_model_open_as(x, &(engine_options){.context = TRACE_CONTEXT,
                                                 .sequences = SIDE_BY_SIDE,
                                                 .kv_tokens = SIDE_BY_SIDE * TRACE_CONTEXT,
                                                 .forgets_prefixes = true}));
    double begin = time_seconds();
    TRY(submit_trace(x, all));
    TRY(drawn_drain(x->e));
    double refilled = time_seconds() - begin;
    begin = time_seconds();
    TRY(run_static(x, all));
    *value = (time_seconds() - begin) / refilled;
    return STATUS_OK;
}

/* Means over the steps of the trace in a cache of `kv_tokens`: of slots without a token among those held, and of how
 * many run, while others wait. */
static status crowd(bench_model *x, int64_t kv_tokens, double *waste, double *running) {
    trace_request all[TRACE];
    double held = 0, filled = 0, ran = 0, steps = 0;
    draw_trace(all);
    TRY(bench_model_open_as(x, &(engine_options){.context = TRACE_CONTEXT,
                                                 .sequences = 64,
                                                 .kv_tokens = kv_tokens,
                                                 .forgets_prefixes = true}));
    TRY(submit_trace(x, all));
    while (engine_busy(x->e)) {
        TRY(engine_step(x->e));
        engine_stats s = engine_look(x->e);
        held += (double)s.slots_held;
        filled += (double)s.slots_filled;
        if (!s.waiting) continue;
        ran += (double)s.running;
        steps++;
    }
    *waste = 1 - filled / MAX_OF(held, 1);
    *running = ran / MAX_OF(steps, 1);
    return STATUS_OK;
}

static status kv_waste(bench_model *x, double *value) {
    double running;
    return crowd(x, (int64_t)SIDE_BY_SIDE * TRACE_CONTEXT, value, &running);
}

static status kv_sequences(bench_model *x, double *value) {
    enum { RESERVED = 4 }; /* so many contexts of full length fit */
    double waste;
    TRY(crowd(x, (int64_t)RESERVED * TRACE_CONTEXT, &waste, value));
    *value /= RESERVED;
    return STATUS_OK;
}

/* ---- a long prompt among decodes ---- */

typedef struct arrival {
    double gap, done; /* seconds: the longest step while it is read, and until it is */
} arrival;

/* `step`: tokens of a step. */
static status long_prompt(bench_model *x, int64_t step, double stretch, int64_t prompt,
                          arrival *out) {
    enum { DECODES = 8 };
    int64_t vocabulary = x->m->config.vocabulary;
    TRY(bench_model_open_as(x, &(engine_options){.context = prompt + 64,
                                                 .tokens = step,
                                                 .step_stretch = stretch,
                                                 .sequences = DECODES + 1,
                                                 .kv_tokens = 2 * (prompt + 1024),
                                                 .forgets_prefixes = true}));
    for (int i = 0; i < DECODES; i++)
        TRY(drawn_submit(x->e, vocabulary, 16, prompt / 16 + 8, (uint64_t)i));
    for (int i = 0; i < 4; i++) TRY(engine_step(x->e));
    TRY(drawn_submit(x->e, vocabulary, prompt, 1, 99));
    *out = (arrival){0};
    int64_t known = engine_look(x->e).prompt_tokens + prompt;
    while (engine_look(x->e).prompt_tokens < known) {
        double begin = time_seconds();
        TRY(engine_step(x->e));
        double took = time_seconds() - begin;
        out->gap = fmax(out->gap, took);
        out->done += took;
    }
    return drawn_drain(x->e);
}

enum { LONG_PROMPT = 4000 };

/* Without limits, and with those that `hone serve` has. */
static status both_ways(bench_model *x, arrival *whole, arrival *chunked) {
    TRY(long_prompt(x, LONG_PROMPT + 64, 0, LONG_PROMPT, whole));
    return long_prompt(x, 0, ENGINE_STRETCH, LONG_PROMPT, chunked);
}

/* Medians of alternating pairs. */
static status chunk_ratios(bench_model *x, double *gap, double *done) {
    enum { PAIRS = 3 };
    double gaps[PAIRS], dones[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        arrival whole, chunked;
        TRY(both_ways(x, &whole, &chunked));
        gaps[i] = chunked.gap / whole.gap;
        dones[i] = chunked.done / whole.done;
    }
    *gap = sort_median(gaps, PAIRS);
    *done = sort_median(dones, PAIRS);
    return STATUS_OK;
}

static status chunk_gap(bench_model *x, double *value) {
    double done;
    return chunk_ratios(x, value, &done);
}

static status chunk_done(bench_model *x, double *value) {
    double gap;
    return chunk_ratios(x, &gap, value);
}

/* ---- prefixes ---- */

static status seconds_of(bench_model *x, int64_t prompt, uint64_t seed, double *out) {
    double begin = time_seconds();
    TRY(drawn_submit(x->e, x->m->config.vocabulary, prompt, 1, seed));
    TRY(drawn_drain(x->e));
    *out = time_seconds() - begin;
    return STATUS_OK;
}

/* The same prompt again, beside one that is new. */
static status prefix_again(bench_model *x, double *value) {
    enum { PAIRS = 5 };
    int64_t prompt = 2048;
    double ratio[PAIRS], cold, warm;
    TRY(bench_model_open_as(x, &(engine_options){.context = prompt + 64, .kv_tokens = 32768}));
    TRY(seconds_of(x, prompt, 1000, &cold)); /* fetches pages */
    for (uint64_t i = 0; i < PAIRS; i++) {
        TRY(seconds_of(x, prompt, i, &cold));
        TRY(seconds_of(x, prompt, i, &warm));
        ratio[i] = warm / cold;
    }
    *value = sort_median(ratio, PAIRS);
    return STATUS_OK;
}

/* New prompts only, with the tree of prefixes and without. */
static status prefix_cost(bench_model *x, double *value) {
    enum { ROUNDS = 5 };
    double seconds[2][ROUNDS];
    int64_t prompt = 512;
    for (int round = 0; round < ROUNDS; round++)
        for (int forgets = 0; forgets < 2; forgets++) {
            double all = 0, one;
            TRY(bench_model_open_as(x, &(engine_options){.context = prompt + 64,
                                                         .kv_tokens = 2 * (prompt + 64),
                                                         .forgets_prefixes = forgets}));
            for (uint64_t i = 0; i < 9; i++) {
                TRY(seconds_of(x, prompt, i, &one));
                all += i ? one : 0; /* the first fetches pages */
            }
            seconds[forgets][round] = all;
        }
    *value = sort_median(seconds[0], ROUNDS) / sort_median(seconds[1], ROUNDS);
    return STATUS_OK;
}

const bench_gain bench_gains[] = {
    {"engine.continuous", "answers a second beside static batches", "x", 1.5, false, continuous},
    {"engine.kv.waste", "slots without a token among those held", "", 0.04, true, kv_waste},
    {"engine.kv.sequences", "sequences at once beside reserved contexts", "x", 2, false,
     kv_sequences},
    {"engine.chunks.gap", "longest wait of decodes beside a prompt read whole", "x", 0.05, true,
     chunk_gap},
    {"engine.chunks.done", "time until that prompt is read", "x", 1.25, true, chunk_done},
    {"engine.prefix.again", "time to the first token beside a new prompt", "x", 0.15, true,
     prefix_again},
    {"engine.prefix.cost", "time of new prompts beside no tree of prefixes", "x", 1.03, true,
     prefix_cost},
    {"engine.guess.quotes.b1", "tokens/s by n-grams, text that repeats itself", "x", 2, false,
     bench_guess_quotes_1},
    {"engine.guess.quotes.b16", "the same, 16 sequences", "x", 0.95, false, bench_guess_quotes_16},
    {"engine.guess.new.b1", "tokens/s by n-grams, text that does not", "x", 0.95, false,
     bench_guess_new_1},
    {"engine.guess.new.b16", "the same, 16 sequences", "x", 0.95, false, bench_guess_new_16},
    {"engine.guess.draft.b1", "tokens/s by a draft", "x", 1.6, false, bench_guess_draft_1, true},
    {"engine.guess.draft.b4", "the same, 4 sequences", "x", 0.95, false, bench_guess_draft_4, true},
    {"engine.guess.draft.b16", "the same, 16 sequences", "x", 0.95, false, bench_guess_draft_16,
     true},
    {0}};
