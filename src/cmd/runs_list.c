/* `hone runs list`: what was trained and measured, newest first. */
#include "cmd/kit/runs.h"
#include <math.h>

typedef struct runs_list_options {
    int64_t most;
    bool json;
} runs_list_options;

static const option_def options[] = {
    OPTION(runs_list_options, most, OPTION_INT, .letter = 'n', .initial = "20", RANGE(0, 1e12),
           .help = "runs to show, 0 for all"),
    OPTION(runs_list_options, json, OPTION_BOOL, .help = "print one JSON object a line"),
    {0}};

static void number(const verb_call *call, int width, int digits, double v) {
    if (isfinite(v))
        fprintf(call->out, "  %*.*f", width, digits, v);
    else
        fprintf(call->out, "  %*s", width, "-");
}

static void print_row(const verb_call *call, const run_row *r) {
    fprintf(call->out, "%5lld  %-20.20s  %-8.8s  %-12.12s  %11lld  %7lld", (long long)r->id,
            r->name ? r->name : "", r->state ? r->state : "", r->model ? r->model : "",
            (long long)r->parameters, (long long)r->step);
    number(call, 7, 4, r->train_loss);
    number(call, 8, 4, r->validation_loss);
    number(call, 9, 3, r->perplexity);
    number(call, 8, 0, isfinite(r->decode_rate) ? r->decode_rate : r->token_rate);
    fprintf(call->out, "  %.16s\n", r->started ? r->started : "");
}

static status print(const verb_call *call, const run_row *rows, int64_t n) {
    const runs_list_options *o = call->options;
    if (o->most) n = MIN_OF(n, o->most);
    if (!o->json)
        fprintf(call->out, "%5s  %-20s  %-8s  %-12s  %11s  %7s  %7s  %8s  %9s  %8s  %s\n", "run",
                "name", "state", "model", "parameters", "step", "loss", "held out", "ppl",
                "tokens/s", "started");
    for (int64_t i = 0; i < n; i++) {
        if (!o->json) {
            print_row(call, &rows[i]);
            continue;
        }
        json_writer w = json_writer_to_file(call->cx, call->out, 0);
        runs_write_json(&w, &rows[i]);
        TRY(json_writer_finish(&w));
    }
    return STATUS_OK;
}

static status run(const verb_call *call) {
    runs *store;
    run_row *rows;
    int64_t n;
    TRY(runs_open(call->cx, NULL, &store));
    status st = runs_list(store, call->memory, &rows, &n);
    if (st == STATUS_OK) st = print(call, rows, n);
    runs_close(store);
    return st;
}

extern const verb_def verb_runs_list;
const verb_def verb_runs_list = {
    .name = "runs list",
    .summary = "what was trained and measured, newest first",
    .example = "hone runs list",
    .help = "Runs are kept in $HONE_RUNS, else in hone/runs.db below $XDG_DATA_HOME or "
            "~/.local/share.\n"
            "tokens/s is of training, or of decoding where `hone report` measured a model.",
    .options_bytes = sizeof(runs_list_options),
    .options = options,
    .run = run,
};
