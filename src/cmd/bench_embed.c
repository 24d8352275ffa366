/* `hone bench embed`: what an encoder gains by not padding. Batches of mixed lengths are measured beside batches in
 * which every text has the longest length, in turns; the time saved is held against the arithmetic saved,
 *   flops(n) = layers (2 n (4 h^2 + 2 h f) + 4 n^2 h)   with width h and inner width f. */
#include "base/options.h"
#include "base/rng.h"
#include "base/sort.h"
#include "base/time.h"
#include "cmd/kit/bench.h"
#include "infer/embed.h"
#include <string.h>

typedef struct bench_embed_options {
    int64_t texts, longest, threads;
    bool json;
} bench_embed_options;

static const option_def options[] = {
    OPTION(bench_embed_options, texts, OPTION_INT, .initial = "64", RANGE(1, 4096),
           .help = "texts in a batch"),
    OPTION(bench_embed_options, longest, OPTION_INT, .initial = "256", RANGE(8, 8192),
           .help = "tokens of the longest text; the others have a fifth of it or more, 0.6 of it "
                   "in the mean"),
    OPTION(bench_embed_options, threads, OPTION_INT, .initial = "0", RANGE(0, 1024),
           .help = "threads, 0 for all that can run at once"),
    OPTION(bench_embed_options, json, OPTION_BOOL, .help = "print one JSON object a line"),
    {0}};

enum { SAMPLES = 9 };

typedef struct batch {
    embedder_text *texts;
    double flops, tokens;
    double seconds[SAMPLES];
} batch;

static double flops_of(const model_config *c, double n) {
    double h = (double)c->hidden, f = (double)c->intermediate;
    return (double)c->layers * (2 * n * (4 * h * h + 2 * h * f) + 4 * n * n * h);
}

/* Texts of ids that do not matter, the first of the longest length. */
static status draw(const verb_call *call, const model_config *c, bool mixed, batch *out) {
    const bench_embed_options *o = call->options;
    int32_t *ids = ARENA_NEW(call->memory, int32_t, o->longest);
    rng r = rng_make(1, 0);
    out->texts = ARENA_NEW(call->memory, embedder_text, o->texts);
    if (!ids || !out->texts) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < o->longest; i++) ids[i] = (int32_t)(i % c->vocabulary);
    for (int64_t i = 0; i < o->texts; i++) {
        double part = mixed && i ? 0.2 + 0.8 * rng_uniform(&r) : 1;
        int64_t n = MAX_OF(1, (int64_t)(part * (double)o->longest));
        out->texts[i] = (embedder_text){ids, n};
        out->tokens += (double)n;
        out->flops += flops_of(c, (double)n);
    }
    return STATUS_OK;
}

static status put(const verb_call *call, const bench *b, const char *name, const char *unit,
                  bench_result result) {
    const bench_embed_options *o = call->options;
    char text[64];
    snprintf(text, sizeof text, "%lldx%lld", (long long)o->texts, (long long)o->longest);
    bench_row r = {name, text, unit, result};
    return bench_put(call->cx, call->out, &r, b->threads, o->json, false);
}

static status embed(embedder *e, batch *x, int64_t texts, float *vectors, int64_t sample) {
    double begin = time_seconds();
    TRY(embedder_run(e, x->texts, texts, vectors));
    if (sample >= 0) x->seconds[sample] = time_seconds() - begin;
    return STATUS_OK;
}

static bench_result rate_of(const batch *x) {
    double seconds[SAMPLES];
    memcpy(seconds, x->seconds, sizeof seconds);
    return (bench_result){.value = x->tokens / sort_median(seconds, SAMPLES), .most = 1};
}

static status measure(const verb_call *call, bench *b, embedder *e, const model_config *c) {
    const bench_embed_options *o = call->options;
    batch mixed = {0}, longest = {0};
    float *vectors = ARENA_NEW(call->memory, float, o->texts *embedder_width(e));
    double gain[SAMPLES];
    if (!vectors) return STATUS_NO_MEMORY;
    TRY(draw(call, c, true, &mixed));
    TRY(draw(call, c, false, &longest));
    for (int64_t i = -1; i < SAMPLES; i++) { /* the first is not timed */
        TRY(embed(e, &mixed, o->texts, vectors, i));
        TRY(embed(e, &longest, o->texts, vectors, i));
        if (i >= 0) gain[i] = longest.seconds[i] / mixed.seconds[i];
    }
    TRY(put(call, b, "embed.longest", "tokens/s", rate_of(&longest)));
    TRY(put(call, b, "embed.mixed", "tokens/s", rate_of(&mixed)));
    double median = sort_median(gain, SAMPLES), possible = longest.flops / mixed.flops;
    return put(call, b, "embed.gain", "x",
               (bench_result){median, possible, median / possible, .most = 2});
}

static status run(const verb_call *call) {
    const bench_embed_options *o = call->options;
    context *cx = call->cx;
    bench b;
    embedder *e = NULL;
    model *m;
    TRY(model_open(cx, call->args[0], &m));
    if (m->config.positions && o->longest > m->config.positions) {
        long long most = (long long)m->config.positions;
        model_close(m);
        FAIL(cx, STATUS_BAD_ARGUMENT, "--longest %lld: the model reads %lld tokens at most",
             (long long)o->longest, most);
    }
    status st = bench_open(cx, o->threads, &b);
    if (st == STATUS_OK) {
        engine_model parts = engine_model_of(m, NULL);
        st = embedder_open(cx, &parts, &(embedder_options){.workers = b.workers}, &e);
        if (st == STATUS_OK) st = measure(call, &b, e, &m->config);
        embedder_close(e);
        bench_close(&b);
    }
    model_close(m);
    return st;
}

extern const verb_def verb_bench_embed;
const verb_def verb_bench_embed = {
    .name = "bench embed",
    .summary = "measure what an encoder gains by not padding",
    .example = "hone bench embed all-MiniLM-L6-v2 --longest 256",
    .help = "Two batches by turns: texts of mixed lengths, and as many of the longest length, as "
            "padding would have it.\n"
            "embed.gain is the time of the second over that of the first; its roof is the ratio "
            "of their arithmetic.",
    .positional = "MODEL",
    .min_args = 1,
    .max_args = 1,
    .options_bytes = sizeof(bench_embed_options),
    .options = options,
    .run = run,
};
