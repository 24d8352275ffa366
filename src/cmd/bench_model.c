/* `hone bench model`: a whole model with random weights, prefill and decode beside this machine's roofs, and beside the
 * same model in another format or without fusion. */
#include "base/footprint.h"
#include "base/log.h"
#include "base/options.h"
#include "base/sort.h"
#include "cmd/kit/bench_model.h"
#include "cmd/kit/run.h"
#include "exec/trace.h"
#include "report/speed.h"
#include <regex.h>
#include <string.h>

typedef struct bench_model_options {
    const char *preset, *format, *beside, *filter;
    int64_t threads, tokens;
    int act;
    bool unfused, profile, json;
} bench_model_options;

static const option_def options[] = {
    OPTION(bench_model_options, preset, OPTION_STRING, .initial = "llama-110m", .value = "NAME",
           .usual = model_preset_names, .help = "the shapes, by name"),
    OPTION(bench_model_options, format, OPTION_STRING, .initial = "bf16", .value = "FORMAT",
           .help = "how the matrices are stored: bf16, f32, q8_0, q4_0, q4_k_m or another"),
    OPTION(bench_model_options, act, OPTION_CHOICE, .choices = run_acts,
           .help =
               "what meets quantised weights, as `hone run` has it; int8_row: both sides in int8"),
    OPTION(bench_model_options, beside, OPTION_STRING, .value = "FORMAT",
           .help = "measure the model in this format, too, by turns, with --act auto, and say how "
                   "many times as fast the first is"),
    OPTION(bench_model_options, unfused, OPTION_BOOL,
           .help = "measure the same model without fusion, too, by turns, and say how many times "
                   "as fast the first is"),
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
    bench_model x, beside; /* beside.m NULL: there is none */
    char text[64];
} measuring;

static bool wanted(const measuring *k, const char *name) {
    return !k->filter || !regexec(k->filter, name, 0, NULL, 0);
}

static status put(measuring *k, const char *name, const char *unit, bench_result result) {
    const bench_model_options *o = k->call->options;
    bench_row r = {name, k->text, unit, result};
    if (!wanted(k, name)) return STATUS_OK;
    return bench_put(k->call->cx, k->call->out, &r, k->x.b->threads, o->json, result.peer);
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

/* A prompt of so many tokens, or with `sequences` their decoding. */
static status measure_one(bench_model *x, int64_t sequences, int64_t tokens, bench_result *out) {
    return sequences ? bench_model_decode(x, sequences, tokens, out)
                     : bench_model_prefill(x, tokens, out);
}

static const char *peer_name(const measuring *k) {
    return k->beside.unfused ? "unfused" : k->beside.format;
}

/* Both models by turns: of each the medians, and the median of the turns' ratios. */
static status measure_turns(measuring *k, int64_t sequences, int64_t tokens, bench_result *out) {
    enum { TURNS = 5 };
    double value[TURNS], roof[TURNS], share[TURNS], other[TURNS], ratio[TURNS];
    for (int i = 0; i < TURNS; i++) {
        bench_result own, peer;
        TRY(measure_one(&k->x, sequences, tokens, &own));
        TRY(measure_one(&k->beside, sequences, tokens, &peer));
        value[i] = own.value;
        roof[i] = own.roof;
        share[i] = own.share;
        other[i] = peer.value;
        ratio[i] = own.value / peer.value;
    }
    *out = (bench_result){.value = sort_median(value, TURNS),
                          .roof = sort_median(roof, TURNS),
                          .share = sort_median(share, TURNS),
                          .most = 1,
                          .peer = peer_name(k),
                          .peer_value = sort_median(other, TURNS),
                          .ratio = sort_median(ratio, TURNS)};
    return STATUS_OK;
}

static status measure_row(measuring *k, const char *name, int64_t sequences, int64_t tokens) {
    bench_result result;
    if (!wanted(k, name)) return STATUS_OK;
    TRY(k->beside.m ? measure_turns(k, sequences, tokens, &result)
                    : measure_one(&k->x, sequences, tokens, &result));
    return put(k, name, "tokens/s", result);
}

static status measure(measuring *k) {
    static const int64_t batches[] = {1, 8, 16, 32};
    const bench_model_options *o = k->call->options;
    int64_t prompt = MIN_OF(512, engine_context(k->x.e) / 2);
    double bytes = (double)k->x.weight_bytes, other = (double)k->beside.weight_bytes;
    char name[32];
    if (k->beside.m)
        TRY(put(k, "model.bytes", "MB",
                (bench_result){.value = bytes / 1e6,
                               .peer = peer_name(k),
                               .peer_value = other / 1e6,
                               .ratio = bytes / other}));
    snprintf(name, sizeof name, "model.prefill.%lld", (long long)prompt);
    TRY(measure_row(k, name, 0, prompt));
    for (int i = 0; i < COUNT_OF(batches); i++) {
        snprintf(name, sizeof name, "model.decode.b%lld", (long long)batches[i]);
        TRY(measure_row(k, name, batches[i], o->tokens));
    }
    return STATUS_OK;
}

static bench_model model_in(const measuring *k, bench *b, const char *format, const char *act) {
    const bench_model_options *o = k->call->options;
    return (bench_model){.cx = k->call->cx,
                         .b = b,
                         .preset = o->preset,
                         .format = format,
                         .act = act,
                         .profile = o->profile};
}

static status open_beside(measuring *k) {
    const bench_model_options *o = k->call->options;
    k->beside = o->unfused ? model_in(k, k->x.b, o->format, run_acts[o->act])
                           : model_in(k, k->x.b, o->beside, run_acts[0]);
    k->beside.unfused = o->unfused;
    TRY(bench_model_begin(&k->beside, k->call->memory, NULL));
    return bench_model_open(&k->beside);
}

static status run_on(measuring *k, bench *b) {
    const bench_model_options *o = k->call->options;
    k->x = model_in(k, b, o->format, run_acts[o->act]);
    snprintf(k->text, sizeof k->text, "%s %s", o->preset, o->format);
    TRY(bench_model_begin(&k->x, k->call->memory, NULL));
    int64_t before = footprint_bytes();
    TRY(bench_model_open(&k->x));
    if (!o->beside && !o->unfused) {
        TRY(measure(k));
        return measure_opening(k, before);
    }
    TRY(open_beside(k));
    return measure(k);
}

static status run(const verb_call *call) {
    const bench_model_options *o = call->options;
    regex_t filter;
    bench b;
    measuring k = {.call = call};
    if (o->beside && o->unfused)
        FAIL(call->cx, STATUS_BAD_ARGUMENT,
             "--beside and --unfused: one thing at a time can be measured beside the model");
    if (o->filter && regcomp(&filter, o->filter, REG_EXTENDED | REG_NOSUB))
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "--filter '%s' is not a regular expression", o->filter);
    k.filter = o->filter ? &filter : NULL;
    status st = bench_open(call->cx, o->threads, &b);
    if (st == STATUS_OK) {
        st = run_on(&k, &b);
        engine_close(k.beside.e);
        model_close(k.beside.m);
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
