/* Measuring a whole model: random weights of real shapes, kept in a cache; prefill and decode by turns with the roofs
 * that bound them. */
#ifndef CMD_KIT_BENCH_MODEL_H
#define CMD_KIT_BENCH_MODEL_H

#include "cmd/kit/bench.h"
#include "infer/engine.h"

typedef struct bench_model {
    context *cx;
    bench *b;
    model *m;
    model *draft; /* that guesses for it; NULL: none */
    bool trained; /* what it says means something: prompts are its own words */
    const char *preset, *format;
    const num_format *matrices; /* what they are rounded to while loading; NULL: as stored */
    const char *act;            /* engine_options.act */
    engine *e;
    double opened_seconds; /* what opening took */
    int64_t weight_bytes;  /* of the matrices, as stored */
    roof_kind arithmetic;  /* of the largest of them */
    bool profile, unfused;
} bench_model;

/* The preset's random weights in a format or mixture that files hold: a folder of bf16, or beside it a GGUF file; made
 * where they are not there yet. */
status bench_model_find(context *cx, arena *mem, const char *preset, const char *format,
                        const char **out) MUST_USE;
/* x->m: of preset and format, or the trained model in this folder, rounded to the format; weights in what GGUF does
 * not hold are rounded anew by each opening. */
status bench_model_begin(bench_model *x, arena *mem, const char *trained) MUST_USE;
/* Opens the engine, closing one that is open; with other options than those for prefill and decode. */
status bench_model_open(bench_model *x) MUST_USE;
status bench_model_open_as(bench_model *x, const engine_options *o) MUST_USE;

/* Tokens a second. */
status bench_model_prefill(bench_model *x, int64_t tokens, bench_result *out) MUST_USE;
status bench_model_decode(bench_model *x, int64_t sequences, int64_t tokens,
                          bench_result *out) MUST_USE;

#endif
