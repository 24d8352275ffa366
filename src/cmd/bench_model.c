/* `hone bench model`: a whole model with random weights, prefill and decode beside this machine's roofs. */
#include "base/footprint.h"
#include "base/log.h"
#include "base/options.h"
#include "cmd/kit/bench_model.h"
#include "cmd/kit/run.h"
#include "exec/trace.h"
#include "report/speed.h"
#include <regex.h>
#include <string.h>

typedef struct bench_model_options {
    const char *preset, *format, *filter;
    int64_t threads, tokens;
    int act;
    bool profile, json;
} bench_model_options;

static const option_def options[] = {
    OPTION(bench_model_options, preset, OPTION_STRING, .initial = "llama-110m", .value = "NAME",
           .usual = model_preset_names, .help = "the shapes, by name"),
    OPTION(bench_model_options, format, OPTION_STRING, .initial = "bf16", .value = "FORMAT",
           .help = "how the matrices are stored: bf16, f32, q8_0, q4_0, q4_k_m or another"),
    OPTION(bench_model_options, act, OPTION_CHOICE, .choices = run_acts,
           .help =
               "what meets quantised weights, as `hone run` has it; int8_row: both sides in int8"),
    OPTION(bench_model_options, tokens, OPTION_INT, .initial = "128", RANGE(64, 256),
           .help = "tokens that each sequence decodes"),
    OPTION(bench_model_options, filter, OPTION_STRING, .value = "RE",
           .help = "only rows whose name this regular expression finds"),
    OPTION(bench_model_options, threads, OPTION_INT, .initial = "0", RANGE(0, 1024),
           .help = "threads, 0 for all that can run at once"),
    OPTION(bench_model_options, profile, OPTION_BOOL,
           .help = "say how the time of a step falls to kernels"),
    OPTION(bench_model_options, json, OPTION_BOOL, .help = "print one JSON object a line"),
    {0}};

typedef struct measuring {
    const verb_call *call;
    const regex_t *filter;
    bench_model x;
    char text[64];
} measuring;

static bool wanted(const measuring *k, const char *name) {
    return !k->filter || !regexec(k->filter, name, 0, NULL, 0);
}

static status put(measuring *k, const char *name, const char *unit, bench_result result) {
    const bench_model_options *o = k->call->options;
    bench_row r = {name, k->text, unit, result};
    if (!wanted(k, name)) return STATUS_OK;
    return bench_put(k->call->cx, k->call->out, &r, k->x.b->threads, o->json, false);
}

static status measure_opening(measuring *k, int64_t before) {
    const plan *p = engine_plan(k->x.e);
    double needed = (double)(p->peak_bytes[TAG_PARAMETER] + p->peak_bytes[TAG_KV]) / (1 << 20);
    double resident = (double)(footprint_bytes() - before) / (1 << 20);
    TRY(put(k, "model.resident", "MiB", (bench_result){resident, needed, needed / resident, 1}));
    double first = k->x.opened_seconds;
    TRY(bench_model_open(&k->x));
    log_info("opened in %.2f s, then in %.2f s", first, k->x.opened_seconds);
    return put(k, "model.load", "s", (bench_result){k->x.opened_seconds, 0, 0, 1});
}

static status measure(measuring *k) {
    static const int64_t batches[] = {1, 8, 16, 32};
    const bench_model_options *o = k->call->options;
    int64_t prompt = MIN_OF(512, engine_context(k->x.e) / 2);
    bench_result result;
    char name[32];
    snprintf(name, sizeof name, "model.prefill.%lld", (long long)prompt);
    if (wanted(k, name)) {
        TRY(bench_model_prefill(&k->x, prompt, &result));
        TRY(put(k, name, "tokens/s", result));
    }
    for (int i = 0; i < COUNT_OF(batches); i++) {
        snprintf(name, sizeof name, "model.decode.b%lld", (long long)batches[i]);
        if (!wanted(k, name)) continue;
        TRY(bench_model_decode(&k->x, batches[i], o->tokens, &result));
        TRY(put(k, name, "tokens/s", result));
    }
    return STATUS_OK;
}

static status run_on(measuring *k, bench *b) {
    const bench_model_options *o = k->call->options;
    k->x = (bench_model){.cx = k->call->cx,
                         .b = b,
                         .preset = o->preset,
                         .format = o->format,
                         .act = run_acts[o->act],
                         .profile = o->profile};
    snprintf(k->text, sizeof k->text, "%s %s", o->preset, o->format);
    TRY(bench_model_begin(&k->x, k->call->memory, NULL));
    int64_t before = footprint_bytes();
    TRY(bench_model_open(&k->x));
    TRY(measure(k));
    return measure_opening(k, before);
}

static status run(const verb_call *call) {
    const bench_model_options *o = call->options;
    regex_t filter;
    bench b;
    measuring k = {.call = call};
    if (o->filter && regcomp(&filter, o->filter, REG_EXTENDED | REG_NOSUB))
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "--filter '%s' is not a regular expression", o->filter);
    k.filter = o->filter ? &filter : NULL;
    status st = bench_open(call->cx, o->threads, &b);
    if (st == STATUS_OK) {
        st = run_on(&k, &b);
        engine_close(k.x.e);
        model_close(k.x.m);
        bench_close(&b);
    }
    if (o->filter) regfree(&filter);
    return st;
}

extern const verb_def verb_bench_model;
const verb_def verb_bench_model = {
    .name = "bench model",
    .summary = "measure a whole model: prefill, decode, load, memory",
    .example = "hone bench model --preset 5m",
    .help = "The model has random weights and real shapes; they are kept in "
            "XDG_CACHE_HOME/hone/models.\n"
            "prefill and decode are tokens a second; the roof is what the larger of two times "
            "allows: reading all "
            "weights once a step, or the step's arithmetic at the rate that the format uses.",
    .options_bytes = sizeof(bench_model_options),
    .options = options,
    .run = run,
};
