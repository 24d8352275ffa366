/* `hone bench roof`: what this machine can do at most. `hone bench ops`: what Hone's kernels reach of it, and what
 * oneDNN reaches beside them. */
#include "base/cpu.h"
#include "base/log.h"
#include "base/options.h"
#include "cmd/kit/bench.h"
#include <regex.h>
#include <string.h>

typedef struct bench_options {
    int64_t threads;
    const char *filter;
    bool peers, json;
} bench_options;

static const option_def options[] = {
    OPTION(bench_options, threads, OPTION_INT, .initial = "0", RANGE(0, 1024),
           .help = "threads, 0 for all that can run at once"),
    OPTION(bench_options, filter, OPTION_STRING, .value = "RE",
           .help = "only names that this regular expression finds"),
    OPTION(bench_options, peers, OPTION_BOOL, .help = "measure oneDNN too, where it is installed"),
    OPTION(bench_options, json, OPTION_BOOL, .help = "print one JSON object a line"),
    {0}};

static status put(const verb_call *call, const bench *b, const bench_row *r) {
    const bench_options *o = call->options;
    return bench_put(call->cx, call->out, r, b->threads, o->json, o->peers);
}

static status bench_roofs(const verb_call *call, bench *b, const regex_t *filter) {
    for (int kind = ROOF_F32; kind < ROOF_KINDS; kind++) {
        if (filter && regexec(filter, roof_name((roof_kind)kind), 0, NULL, 0)) continue;
        const roof_def *best = bench_roof_best(b, (roof_kind)kind);
        if (!best) {
            log_warning("%s: no loop for this CPU", roof_name((roof_kind)kind));
            continue;
        }
        double rate = 1e-9 * bench_roof_rate(b, (roof_kind)kind);
        bench_row r = {roof_name((roof_kind)kind),
                       best->form,
                       roof_is_memory((roof_kind)kind) ? "GB/s" : "GFLOP/s",
                       {rate, rate, 1, 1}};
        TRY(put(call, b, &r));
    }
    return STATUS_OK;
}

/* A row above its roof says that the machine changed between the two: it is measured again, roof and all. */
static status measure(bench *b, const bench_case *c, bool peers, bench_result *out, bool *broken) {
    enum { TRIES = 4 };
    *broken = true;
    for (int i = 0; i < TRIES && *broken; i++) {
        TRY(bench_case_run(b, c, peers, out));
        *broken = c->roof && out->share > BENCH_MOST_SHARE * out->most;
    }
    return STATUS_OK;
}

static status bench_ops(const verb_call *call, bench *b, const regex_t *filter) {
    const bench_options *o = call->options;
    const char *missing = NULL, *broken = NULL;
    for (const bench_case *all = bench_cases; all->name; all++) {
        char text[64];
        bench_case sized = bench_case_sized(all), *c = &sized;
        bench_case_text(c, text, sizeof text);
        if (filter && regexec(filter, c->name, 0, NULL, 0)) continue;
        bench_row r = {c->name, text, bench_case_unit(c)};
        bool above;
        TRY_NOTE(call->cx, measure(b, c, o->peers, &r.result, &above), "%s %s", c->name, text);
        TRY(put(call, b, &r));
        if (!c->roof) {
            if (r.result.share > 1) log_warning("%s: above its limit", c->name);
            continue;
        }
        if (o->peers && r.result.peer && r.result.ratio <= 0 && !missing)
            log_warning("%s: peer %s", c->name, missing = r.result.peer);
        if (above) broken = c->name;
    }
    if (broken)
        FAIL(call->cx, STATUS_BUG, "%s: more than %.2f of its roof, so the roof is broken", broken,
             BENCH_MOST_SHARE);
    return STATUS_OK;
}

static status bench_run(const verb_call *call) {
    const bench_options *o = call->options;
    bool roof = !strcmp(call->args[0], "roof");
    regex_t filter;
    bench b;
    if (!roof && strcmp(call->args[0], "ops"))
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "bench '%s': must be roof or ops", call->args[0]);
    if (o->filter && regcomp(&filter, o->filter, REG_EXTENDED | REG_NOSUB))
        FAIL(call->cx, STATUS_BAD_ARGUMENT, "--filter '%s' is not a regular expression", o->filter);
    status st = bench_open(call->cx, o->threads, &b);
    if (st == STATUS_OK) {
        st = (roof ? bench_roofs : bench_ops)(call, &b, o->filter ? &filter : NULL);
        bench_close(&b);
    }
    if (o->filter) regfree(&filter);
    return st;
}

extern const verb_def verb_bench;
const verb_def verb_bench = {
    .name = "bench",
    .summary = "measure this machine's roofs, and the share of them that kernels reach",
    .example = "hone bench roof",
    .help =
        "roof measures what the machine can do at most: multiply-add and dot rates, bandwidths.\n"
        "ops runs small graphs by turns with their roof and prints what share of it they reach.\n"
        "For a time the roof is the limit set for it, and the share how much of that it takes.",
    .positional = "roof|ops",
    .min_args = 1,
    .max_args = 1,
    .options_bytes = sizeof(bench_options),
    .options = options,
    .run = bench_run,
};
