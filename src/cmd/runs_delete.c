/* `hone runs delete`: takes runs off the list. Their folders stay. */
#include "cmd/kit/runs.h"

typedef struct runs_delete_options {
    bool json;
} runs_delete_options;

static const option_def options[] = {
    OPTION(runs_delete_options, json, OPTION_BOOL, .help = "print the deleted rows as JSON"), {0}};

static status delete_all(const verb_call *call, const run_row *rows) {
    const runs_delete_options *o = call->options;
    runs *store;
    TRY(runs_open(call->cx, NULL, &store));
    status st = STATUS_OK;
    for (int64_t i = 0; i < call->n_args && st == STATUS_OK; i++) {
        st = runs_delete(store, rows[i].id);
        if (st != STATUS_OK) break;
        if (!o->json) {
            fprintf(call->out, "run %lld (%s) is off the list; its files stay in %s\n",
                    (long long)rows[i].id, rows[i].name ? rows[i].name : "",
                    rows[i].folder ? rows[i].folder : "no folder");
            continue;
        }
        json_writer w = json_writer_to_file(call->cx, call->out, 0);
        runs_write_json(&w, &rows[i]);
        st = json_writer_finish(&w);
    }
    runs_close(store);
    return st;
}

static status run(const verb_call *call) {
    run_row *rows;
    TRY(runs_named(call, &rows));
    return delete_all(call, rows);
}

extern const verb_def verb_runs_delete;
const verb_def verb_runs_delete = {
    .name = "runs delete",
    .summary = "take runs off the list; their files stay",
    .example = "hone runs delete 1",
    .help = "RUN is a number, a name (the newest of that name) or a folder.",
    .positional = "RUN...",
    .min_args = 1,
    .max_args = -1,
    .options_bytes = sizeof(runs_delete_options),
    .options = options,
    .run = run,
};
