/* `hone runs show` and its like: all that is known of runs, side by side where there are several. */
#include "cmd/kit/runs.h"

typedef struct runs_show_options {
    bool json;
} runs_show_options;

static const option_def options[] = {
    OPTION(runs_show_options, json, OPTION_BOOL, .help = "print one JSON object a run"), {0}};

static status run(const verb_call *call) {
    const runs_show_options *o = call->options;
    run_row *rows;
    char text[4096];
    TRY(runs_named(call, &rows));
    for (int64_t i = 0; i < call->n_args; i++) {
        if (o->json) {
            json_writer w = json_writer_to_file(call->cx, call->out, 0);
            runs_write_json(&w, &rows[i]);
            TRY(json_writer_finish(&w));
            continue;
        }
        fprintf(call->out, "%srun              %lld\n", i ? "\n" : "", (long long)rows[i].id);
        for (const run_column *c = run_columns; c->name; c++) {
            runs_column_text(&rows[i], c, text, sizeof text);
            fprintf(call->out, "%-16s ", c->name);
            for (const char *at = text; *at; at++)
                fputs(*at == '\n' ? at[1] ? "\n                 " : "" : (char[]){*at, 0},
                      call->out);
            fputc('\n', call->out);
        }
    }
    return STATUS_OK;
}

extern const verb_def verb_runs_show;
const verb_def verb_runs_show = {
    .name = "runs show",
    .summary = "all that is known of a run",
    .example = "hone runs show 1",
    .help = "RUN is a number, a name (the newest of that name) or a folder.",
    .positional = "RUN...",
    .min_args = 1,
    .max_args = -1,
    .options_bytes = sizeof(runs_show_options),
    .options = options,
    .run = run,
};
