/* `hone runs compare`: what differs between runs, a column each; lines of their jobs that are equal are left out. */
#include "cmd/kit/runs.h"
#include <string.h>

typedef struct runs_compare_options {
    bool all;
} runs_compare_options;

static const option_def options[] = {
    OPTION(runs_compare_options, all, OPTION_BOOL, .help = "show what is equal, too"), {0}};

enum { CELL = 22, MOST_RUNS = 16, KEY = 64 };

static void print_cells(const verb_call *call, const char *key, char cells[][CELL + 1]) {
    const runs_compare_options *o = call->options;
    bool differs = false;
    for (int64_t i = 1; i < call->n_args; i++) differs |= strcmp(cells[i], cells[0]) != 0;
    if (!differs && !o->all) return;
    fprintf(call->out, "%-17.17s", key);
    for (int64_t i = 0; i < call->n_args; i++) fprintf(call->out, " %-*s", CELL, cells[i]);
    fputc('\n', call->out);
}

/* The value behind "key=" in lines of a job. */
static void job_value(const char *job, const char *key, size_t length, char *out) {
    *out = 0;
    for (const char *at = job ? job : ""; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (!strncmp(at, key, length) && at[length] == '=')
            snprintf(out, CELL + 1, "%.*s",
                     (int)MIN_OF(strcspn(at, "\n") - length - 1, (size_t)CELL), at + length + 1);
}

static void print_jobs(const verb_call *call, const run_row *rows, char cells[][CELL + 1]) {
    const char *at = rows[0].job ? rows[0].job : "";
    while (*at) {
        size_t length = strcspn(at, "=\n");
        char key[KEY];
        snprintf(key, sizeof key, "%.*s", (int)MIN_OF(length, sizeof key - 1), at);
        for (int64_t i = 0; i < call->n_args; i++) job_value(rows[i].job, at, length, cells[i]);
        print_cells(call, key, cells);
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
}

static status run(const verb_call *call) {
    run_row *rows;
    char cells[MOST_RUNS][CELL + 1];
    char text[4096];
    TRY(runs_named(call, &rows));
    fprintf(call->out, "%-17s", "run");
    for (int64_t i = 0; i < call->n_args; i++)
        fprintf(call->out, " %-*lld", CELL, (long long)rows[i].id);
    fputc('\n', call->out);
    for (const run_column *c = run_columns; c->name; c++) {
        if (!strcmp(c->name, "job")) continue;
        for (int64_t i = 0; i < call->n_args; i++) {
            runs_column_text(&rows[i], c, text, sizeof text);
            size_t length = strlen(text);
            bool tail = !strcmp(c->name, "folder") && length > CELL;
            snprintf(cells[i], CELL + 1, "%s", tail ? text + length - CELL : text);
        }
        print_cells(call, c->name, cells);
    }
    print_jobs(call, rows, cells);
    return STATUS_OK;
}

extern const verb_def verb_runs_compare;
const verb_def verb_runs_compare = {
    .name = "runs compare",
    .summary = "what differs between runs, side by side",
    .example = "hone runs compare 1 2",
    .help = "RUN is a number, a name (the newest of that name) or a folder.",
    .positional = "RUN RUN...",
    .min_args = 2,
    .max_args = MOST_RUNS,
    .options_bytes = sizeof(runs_compare_options),
    .options = options,
    .run = run,
};
