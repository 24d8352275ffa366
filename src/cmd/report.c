/* `hone report MODEL...`: what models are worth and what they cost, on one board. */
#include "base/log.h"
#include "base/time.h"
#include "cmd/kit/eval.h"
#include "report/report.h"
#include "store/runs.h"
#include <stdlib.h>
#include <string.h>

typedef struct report_verb_options {
    eval_options all;
    const char *text, *tasks, *reference, *out;
    bool csv, speed, record;
} report_verb_options;

static const option_def options[] = {
    OPTION(report_verb_options, text, OPTION_STRING, .required = true, .value = "FILE",
           .help = "text that quality is measured on"),
    OPTION(report_verb_options, tasks, OPTION_STRING, .value = "FILE",
           .help = "questions as `hone eval choice` takes them"),
    OPTION(report_verb_options, reference, OPTION_STRING, .value = "MODEL",
           .help = "what KL and agreement are against; default: the first MODEL"),
    OPTION(report_verb_options, out, OPTION_STRING, .letter = 'o', .value = "DIR",
           .help = "write report.json, report.csv, report.html and the Pareto picture here"),
    OPTION(report_verb_options, csv, OPTION_BOOL, .help = "print comma-separated values"),
    OPTION(report_verb_options, speed, OPTION_BOOL, .initial = "true",
           .help = "measure speed and memory too"),
    OPTION(report_verb_options, record, OPTION_BOOL, .initial = "true",
           .help = "list each model's figures in `hone runs`"),
    EVAL_OPTIONS,
    {0}};

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* Where the store cannot be written, the report goes on and says so. */
static void record_row(const verb_call *call, const report_row *r, double began) {
    const report_verb_options *o = call->options;
    char begin[TIME_TEXT_BYTES], end[TIME_TEXT_BYTES];
    char *folder = realpath(r->model, NULL);
    runs *store;
    time_text((int64_t)began, begin);
    time_text(time_unix_seconds(), end);
    run_row row = run_row_unknown;
    row.kind = "report";
    row.name = base_name(r->model);
    row.folder = folder ? folder : r->model;
    row.state = "finished";
    row.started = begin, row.finished = end;
    row.model = row.name;
    row.job = arena_printf(call->memory, "text=%s\ntasks=%s\nreference=%s", o->text,
                           o->tasks ? o->tasks : "", o->reference ? o->reference : "");
    row.weights_sha256 = r->lineage.sha256;
    row.parameters = r->parameters;
    row.peak_bytes = r->peak_bytes;
    row.bytes = r->bytes, row.resident_bytes = r->resident_bytes;
    row.bits_per_weight = r->bits_per_weight;
    row.perplexity = r->perplexity, row.kl = r->kl, row.top1 = r->top1;
    row.accuracy = r->accuracy;
    row.prefill_rate = r->prefill_rate, row.decode_rate = r->decode_rate;
    row.cost_flops = r->cost_flops, row.cost_seconds = r->cost_seconds;
    status st = runs_open(call->cx, NULL, &store);
    if (st == STATUS_OK) {
        st = runs_put(store, &row);
        runs_close(store);
    }
    if (st != STATUS_OK) {
        log_warning("%s; '%s' is not listed", context_error(call->cx), r->model);
        context_clear(call->cx);
    }
    free(folder);
}

static status print(const verb_call *call, const report_row *rows) {
    const report_verb_options *o = call->options;
    text_buffer text = {.cx = call->cx};
    status st =
        o->csv ? report_csv(rows, call->n_args, &text) : report_table(rows, call->n_args, &text);
    if (st == STATUS_OK) fwrite(text.bytes, 1, (size_t)text.length, call->out);
    text_free(&text);
    return st;
}

static status put_json(const verb_call *call, const report_row *r) {
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    report_json(&w, r);
    return json_writer_finish(&w);
}

static status run(const verb_call *call) {
    const report_verb_options *o = call->options;
    report_options how = {.text = o->text,
                          .tasks = o->tasks,
                          .reference = o->reference ? o->reference : call->args[0],
                          .how = eval_likelihood(&o->all),
                          .tokenizer = o->all.tokenizer,
                          .begin = (likelihood_begin)o->all.bos,
                          .skips_speed = !o->speed};
    report_row *rows = ARENA_NEW(call->memory, report_row, call->n_args);
    if (!rows) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < call->n_args; i++) {
        double began = (double)time_unix_seconds();
        TRY_NOTE(call->cx, report_measure(call->memory, &how, call->args[i], &rows[i]), "'%s'",
                 call->args[i]);
        if (o->all.json) TRY(put_json(call, &rows[i]));
        if (o->record) record_row(call, &rows[i], began);
    }
    if (!o->all.json) TRY(print(call, rows));
    return o->out ? report_write(call->cx, o->out, rows, call->n_args) : STATUS_OK;
}

extern const verb_def verb_report;
const verb_def verb_report = {
    .name = "report",
    .summary = "what models are worth and what they cost, on one board",
    .example =
        "hone report storyteller storyteller-q4_0.gguf --reference storyteller --text held-out.txt",
    .help = "MODEL is a model folder or a GGUF file. Quality is the text's perplexity (windows of "
            "`hone eval ppl`), the divergence from the reference and how often both find the same "
            "token likeliest; speed is one prompt of up to 512 tokens and one sequence that "
            "decodes.\n"
            "What making a model took comes from its lineage.json (GGUF: hone.lineage), summed "
            "over its ancestors.",
    .positional = "MODEL...",
    .min_args = 1,
    .max_args = 64,
    .options_bytes = sizeof(report_verb_options),
    .options = options,
    .run = run,
};
