/* What `hone train` shares: its options, what they make of a job, and how a run is seen while it goes. */
#ifndef CMD_KIT_TRAIN_H
#define CMD_KIT_TRAIN_H

#include "base/options.h"
#include "base/progress.h"
#include "cmd/kit/bench.h"
#include "infer/engine.h"
#include "store/runs.h"
#include "store/tfevents.h"
#include "train/job.h"
#include "train/record.h"

typedef struct train_options {
    const char *text, *data, *tokenizer, *out, *name;
    const char *model, *preset;
    int architecture;
    int64_t layers, width, heads, kv_heads, intermediate, vocabulary, table;
    bool tied;
    int64_t steps, batch, context, accumulate;
    int order;
    int optimiser, schedule;
    double lr, lr_final, wsd_decay, weight_decay, beta1, beta2, eps, momentum, clip, dropout,
        z_loss, ema;
    int64_t warmup;
    int precision, recompute;
    int64_t evaluate_every, evaluate_batches, save_every, sample_every, sample_tokens;
    string_list prompt;
    double save_interval, spike, held_out;
    int64_t rewinds;
    bool resume, best, tensorboard, record, json;
    int format;
    int64_t seed, threads;
    const char *trace;
} train_options;

extern const option_def train_option_table[];

/* What the options ask for; texts go to the call's memory, and `call` must outlive the job. */
status train_make_job(verb_call *call, job_options *out) MUST_USE;
/* Prepares --text into the run's folder, unless that was done already. */
status train_prepare(void *call, const char **data) MUST_USE;

/* Samples while the model learns (train_sample.c); of a job that asks for none, nothing. */
typedef struct train_samples {
    const verb_call *call;
    job *j;
    tokenizer *tokens;
    encoder *encoder;
    engine *e;
    FILE *out;
} train_samples;

status train_samples_check(const verb_call *call) MUST_USE;
/* As job_options.beside. */
status train_samples_need(void *call, const model_config *config, int64_t *bytes) MUST_USE;
status train_samples_open(const verb_call *call, job *j, train_samples *out) MUST_USE;
/* Nothing else may use the job's threads meanwhile. */
status train_samples_draw(train_samples *s, int64_t step) MUST_USE;
void train_samples_close(train_samples *s); /* fine on a zeroed one */

/* How a run is seen. */
typedef struct train_view {
    const verb_call *call;
    job *j;
    record record;
    tfevents events;
    runs *store;
    run_row row;
    progress line;
    bool shows; /* a live line */
    train_samples samples;
    bench machine;
    double roof_seconds; /* when the roof was measured last */
    double roof;         /* operations a second, 0: not known */
    int64_t first_step;
    double last_validation;
    double planned_seconds; /* in this sitting's steps; NAN: not predicted */
} train_view;

status train_view_open(const verb_call *call, job *j, int64_t first_step, train_view *out) MUST_USE;
/* Says what the run will take, where that is worth measuring. */
status train_predict(train_view *v) MUST_USE;
train_watch train_view_watch(train_view *v);
/* Writes the run's row with its outcome: "finished", "stopped" or "failed". */
void train_view_close(train_view *v, const char *state);

/* Share of the roof; NAN where that is not known, or was measured too low on a busy machine to mean anything. */
double train_share(const train_view *v, double flop_rate);

#endif
