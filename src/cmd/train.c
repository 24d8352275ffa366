/* `hone train`: a language model from text, from nothing or on from a saved one. */
#include "base/json_write.h"
#include "base/log.h"
#include "base/time.h"
#include "cmd/kit/train.h"
#include "exec/trace.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static void number_or_null(json_writer *w, const char *key, double v) {
    if (isfinite(v)) {
        json_write_number_field(w, key, v);
    } else {
        json_write_key(w, key);
        json_write_null(w);
    }
}

/* What is known of a run when its steps are done; its number in the store, 0: none. */
typedef struct ending {
    double share, seconds, planned_seconds; /* of this sitting */
    int64_t run;
} ending;

static status print_json(const verb_call *call, const job_result *r, const ending *end) {
    const train_options *o = call->options;
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_integer_field(&w, "steps", r->steps);
    json_write_integer_field(&w, "tokens", r->tokens);
    json_write_integer_field(&w, "parameters", r->parameters);
    number_or_null(&w, "train_loss", r->train_loss);
    number_or_null(&w, "val_loss", r->validation_loss);
    number_or_null(&w, "best_val_loss", r->best_loss);
    json_write_number_field(&w, "seconds", r->seconds);
    json_write_number_field(&w, "tokens_per_second", r->token_rate);
    number_or_null(&w, "share", end->share);
    number_or_null(&w, "planned_seconds", end->planned_seconds);
    json_write_number_field(&w, "sitting_seconds", end->seconds);
    json_write_integer_field(&w, "planned_bytes", r->planned_bytes);
    json_write_integer_field(&w, "peak_bytes", r->peak_bytes);
    json_write_string_field(&w, "weights_sha256", r->weights_sha256);
    json_write_string_field(&w, "out", o->out);
    json_write_key(&w, "run");
    if (end->run)
        json_write_integer(&w, end->run);
    else
        json_write_null(&w);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static void print_text(const verb_call *call, const job_result *r, const ending *end) {
    const train_options *o = call->options;
    char span[32];
    time_span_text(r->seconds, span, sizeof span);
    fprintf(call->out, "%lld parameters, %lld steps, %lld tokens in %s: %.0f tokens/s",
            (long long)r->parameters, (long long)r->steps, (long long)r->tokens, span,
            r->token_rate);
    if (isfinite(end->share))
        fprintf(call->out, ", %.0f%% of the machine's roof", 100 * end->share);
    fprintf(call->out, "\nloss %.4f", r->train_loss);
    if (isfinite(r->validation_loss))
        fprintf(call->out, ", held out %.4f (best %.4f)", r->validation_loss, r->best_loss);
    fprintf(call->out, "\nmemory %lld MiB (planned %lld MiB)\nmodel in %s, sha256 %s\n",
            (long long)(r->peak_bytes >> 20), (long long)(r->planned_bytes >> 20), o->out,
            r->weights_sha256);
    if (!isfinite(end->planned_seconds)) return;
    time_span_text(end->planned_seconds, span, sizeof span);
    fprintf(call->out, "planned %s in steps, taken ", span);
    time_span_text(end->seconds, span, sizeof span);
    fprintf(call->out, "%s\n", span);
}

static status write_trace(const verb_call *call, const job *j) {
    const train_options *o = call->options;
    FILE *f = fopen(o->trace, "w");
    if (!f) FAIL(call->cx, STATUS_IO, "'%s': %s", o->trace, strerror(errno));
    status st = trace_write(j->s->learn, f);
    if (fclose(f) && st == STATUS_OK)
        st = context_fail(call->cx, STATUS_IO, "'%s': %s", o->trace, strerror(errno));
    return st;
}

static status finish(const verb_call *call, const job *j, const ending *end) {
    const train_options *o = call->options;
    if (o->trace) TRY(write_trace(call, j));
    if (j->result.stopped)
        FAIL(call->cx, STATUS_CANCELLED, "stopped after step %lld of %lld; --resume goes on",
             (long long)j->result.steps, (long long)o->steps);
    if (o->json) return print_json(call, &j->result, end);
    print_text(call, &j->result, end);
    return STATUS_OK;
}

static status train(const verb_call *call, job *j) {
    const train_options *o = call->options;
    train_view view = {0};
    status st = job_begin(j);
    if (st == STATUS_OK) st = train_view_open(call, j, j->t.at.step, &view);
    if (st == STATUS_OK) st = train_predict(&view);
    j->s->learn->trace = o->trace != NULL;
    if (st == STATUS_OK) st = job_run(j, train_view_watch(&view));
    ending end = {train_share(&view, j->result.flop_rate), j->t.sitting_seconds,
                  view.planned_seconds, view.row.id};
    train_view_close(&view, st != STATUS_OK     ? "failed"
                            : j->result.stopped ? "stopped"
                                                : "finished");
    return st == STATUS_OK ? finish(call, j, &end) : st;
}

static status run(const verb_call *call) {
    verb_call own = *call;
    job_options o;
    job j = {0};
    TRY(train_make_job(&own, &o));
    status st = job_open(call->cx, &o, &j);
    if (st == STATUS_OK) st = train(call, &j);
    job_close(&j);
    return st;
}

extern const verb_def verb_train;
const verb_def verb_train = {
    .name = "train",
    .summary = "train a language model",
    .example = "hone train --preset 3m --text stories.txt --out storyteller",
    .help =
        "From nothing (--preset or sizes), or on from a saved model (--model). The folder --out "
        "holds the run and becomes a model folder that transformers opens.\n"
        "Ctrl-C stops at the next step with a checkpoint; --resume goes on, after anything, with "
        "the bits that the run would have had without the break.",
    .positional = "[JOB.yaml]",
    .min_args = 0,
    .max_args = 0,
    .job_file = true,
    .options_bytes = sizeof(train_options),
    .options = train_option_table,
    .run = run,
};
