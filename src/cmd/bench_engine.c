/* `hone bench engine`: what serving gains by how the engine works. */
#include "base/json_write.h"
#include "base/options.h"
#include "cmd/kit/bench_engine.h"
#include <regex.h>

typedef struct bench_engine_options {
    const char *preset, *format, *filter, *model, *draft;
    int64_t threads;
    bool json;
} bench_engine_options;

static const option_def options[] = {
    OPTION(bench_engine_options, preset, OPTION_STRING, .initial = "llama-110m", .value = "NAME",
           .usual = model_preset_names, .help = "the shapes, by name"),
    OPTION(bench_engine_options, model, OPTION_STRING, .value = "DIR",
           .help = "a trained model instead of random weights"),
    OPTION(bench_engine_options, draft, OPTION_STRING, .value = "DIR",
           .help =
               "with --model: a smaller model of its vocabulary, for the rows in which it guesses"),
    OPTION(bench_engine_options, format, OPTION_STRING, .initial = "bf16", .value = "FORMAT",
           .help = "how the matrices are stored: bf16, f32, q8_0, q4_0, q4_k_m or another"),
    OPTION(bench_engine_options, filter, OPTION_STRING, .value = "RE",
           .help = "only rows whose name this regular expression finds"),
    OPTION(bench_engine_options, threads, OPTION_INT, .initial = "0", RANGE(0, 1024),
           .help = "threads, 0 for all that can run at once"),
    OPTION(bench_engine_options, json, OPTION_BOOL, .help = "print one JSON object a line"),
    {0}};

static status put(const verb_call *call, const bench_gain *g, double value) {
    const bench_engine_options *o = call->options;
    bool holds = g->at_most ? value <= g->limit : value >= g->limit;
    if (!o->json) {
        fprintf(call->out, "%-24s %8.3f%-2s %s %-6g %-4s %s\n", g->name, value, g->unit,
                g->at_most ? "<=" : ">=", g->limit, holds ? "" : "NOT", g->what);
        fflush(call->out);
        return STATUS_OK;
    }
    char text[128];
    snprintf(text, sizeof text, "%s %s", o->model ? o->model : o->preset, o->format);
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_string_field(&w, "name", g->name);
    json_write_string_field(&w, "case", text);
    json_write_key(&w, "value");
    json_write_number(&w, value);
    json_write_key(&w, g->at_most ? "at_most" : "at_least");
    json_write_number(&w, g->limit);
    json_write_key(&w, "holds");
    json_write_bool(&w, holds);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static status measure(const verb_call *call, const regex_t *filter, bench_model *x) {
    for (const bench_gain *g = bench_gains; g->name; g++) {
        double value = 0;
        if (g->needs_draft && !x->draft) continue;
        if (filter && regexec(filter, g->name, 0, NULL, 0)) continue;
        TRY(g->measure(x, &value));
        TRY(put(call, g, value));
    }
    return STATUS_OK;
}

static status run_on(const verb_call *call, const regex_t *filter, bench *b) {
    const bench_engine_options *o = call->options;
    bench_model x = {.cx = call->cx, .b = b, .preset = o->preset, .format = o->format};
    if (o->draft && !o->model)
        FAIL(call->cx, STATUS_BAD_ARGUMENT,
             "--draft guesses for a trained model: name it by --model");
    TRY(bench_model_begin(&x, call->memory, o->model));
    x.trained = o->model;
    /* random weights mean as much at any position */
    x.m->config.positions = MAX_OF(x.m->config.positions, ENGINE_CONTEXT);
    status st = o->draft ? model_open(call->cx, o->draft, &x.draft) : STATUS_OK;
    if (st == STATUS_OK) st = measure(call, filter, &x);
    engine_close(x.e);
    model_close(x.draft);
    model_close(x.m);
    return st;
}

static status run(const verb_call *call) {
    const bench_engine_options *o = call->options;
    regex_t filter;
    bench b;
    if (o->filter && regcomp(&filter, o->filter, REG_EXTENDED | REG_NOSUB))
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "--filter '%s' is not a regular expression", o->filter);
    status st = bench_open(call->cx, o->threads, &b);
    if (st == STATUS_OK) {
        st = run_on(call, o->filter ? &filter : NULL, &b);
        bench_close(&b);
    }
    if (o->filter) regfree(&filter);
    return st;
}

extern const verb_def verb_bench_engine;
const verb_def verb_bench_engine = {
    .name = "bench engine",
    .summary = "measure what serving gains: batching, pages, chunks, prefixes, guesses",
    .example = "hone bench engine --preset 5m",
    .help =
        "The model has random weights and real shapes, as for hone bench model, or is one that was "
        "trained. Each row is a ratio of two runs in this process, and what it should be at "
        "least or at most. Rows with a draft need --model and --draft; tool/guessing trains "
        "a pair.",
    .options_bytes = sizeof(bench_engine_options),
    .options = options,
    .run = run,
};
