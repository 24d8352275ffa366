/* `hone bench plan`: predicted beside actual, on jobs that train and serve. */
#include "base/footprint.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/options.h"
#include "cmd/kit/bench_plan.h"
#include "cmd/kit/plan.h"
#include <malloc.h>
#include <math.h>
#include <string.h>

typedef struct bench_plan_options {
    int64_t threads;
    bool json;
} bench_plan_options;

static const option_def options[] = {
    OPTION(bench_plan_options, threads, OPTION_INT, .initial = "1", RANGE(0, 1024),
           .help = "threads, 0 for all; with one, time is the process's own, which others that use "
                   "the machine do not lengthen"),
    OPTION(bench_plan_options, json, OPTION_BOOL, .help = "print one JSON object a line"),
    {0}};

static const plan_job jobs[] = {
    {"train.1m.f32", "1m", "f32", RECOMPUTE_NONE, 8, 256},
    {"train.3m.f32", "3m", "f32", RECOMPUTE_NONE, 8, 256},
    {"train.3m.bf16", "3m", "bf16", RECOMPUTE_NONE, 8, 256},
    {"train.3m.bf16.block", "3m", "bf16", RECOMPUTE_BLOCK, 8, 256},
    {"train.5m.bf16.long", "5m", "bf16", RECOMPUTE_SELECTIVE, 4, 512},
    {"train.10m.bf16", "10m", "bf16", RECOMPUTE_NONE, 4, 256},
    {.name = "serve.25m.bf16",
     .preset = "25m",
     .weights = "bf16",
     .users = 4,
     .prompt = 128,
     .answer = 64},
    {.name = "serve.110m.bf16",
     .preset = "llama-110m",
     .weights = "bf16",
     .users = 1,
     .prompt = 128,
     .answer = 32},
    {.name = "serve.110m.q8_0",
     .preset = "llama-110m",
     .weights = "q8_0",
     .users = 1,
     .prompt = 128,
     .answer = 32},
    {.name = "serve.110m.q8_0.8",
     .preset = "llama-110m",
     .weights = "q8_0",
     .users = 8,
     .prompt = 64,
     .answer = 32},
    {.name = "serve.110m.q4_0",
     .preset = "llama-110m",
     .weights = "q4_0",
     .users = 1,
     .prompt = 128,
     .answer = 32},
    {.name = "serve.110m.q4_0.8",
     .preset = "llama-110m",
     .weights = "q4_0",
     .users = 8,
     .prompt = 64,
     .answer = 32},
};

enum { JOBS = COUNT_OF(jobs) };
#define MEMORY_WITHIN 0.05
#define TIME_WITHIN 0.20

typedef struct outcome {
    plan_figures predicted, actual;
} outcome;

static double off(double predicted, double actual) {
    return actual > 0 ? predicted / actual - 1 : NAN;
}

static status put(const verb_call *call, const plan_job *j, const outcome *r) {
    const bench_plan_options *o = call->options;
    double bytes = off((double)r->predicted.bytes, (double)r->actual.bytes);
    double seconds = off(r->predicted.seconds, r->actual.seconds);
    if (!o->json) {
        fprintf(call->out, "%-20s %10s %10s %+6.1f%%   %10s %10s %+6.1f%%\n", j->name,
                plan_bytes((double)r->predicted.bytes).text,
                plan_bytes((double)r->actual.bytes).text, 100 * bytes,
                plan_span(r->predicted.seconds).text, plan_span(r->actual.seconds).text,
                100 * seconds);
        return STATUS_OK;
    }
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_string_field(&w, "job", j->name);
    json_write_integer_field(&w, "predicted_bytes", r->predicted.bytes);
    json_write_integer_field(&w, "actual_bytes", r->actual.bytes);
    json_write_number_field(&w, "predicted_seconds", r->predicted.seconds);
    json_write_number_field(&w, "actual_seconds", r->actual.seconds);
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

/* How many plans were near enough, and how many pairs of jobs of a kind they put in the right order. */
static void sum_up(const verb_call *call, const outcome *r) {
    int memory = 0, time = 0, pairs = 0, right = 0;
    for (int i = 0; i < JOBS; i++) {
        double bytes = off((double)r[i].predicted.bytes, (double)r[i].actual.bytes);
        memory += fabs(bytes) <= MEMORY_WITHIN;
        time += fabs(off(r[i].predicted.seconds, r[i].actual.seconds)) <= TIME_WITHIN;
        for (int k = 0; k < i; k++) {
            if (!jobs[i].weights != !jobs[k].weights) continue;
            pairs++;
            right += (r[i].predicted.seconds < r[k].predicted.seconds) ==
                     (r[i].actual.seconds < r[k].actual.seconds);
        }
    }
    fprintf(call->out,
            "memory within %.0f%%: %d of %d; time within %.0f%%: %d of %d; order right: %d of %d "
            "pairs\n",
            100 * MEMORY_WITHIN, memory, JOBS, 100 * TIME_WITHIN, time, JOBS, right, pairs);
}

static status run_job(const verb_call *call, const plan_job *j, machine *m, const char **calibrated,
                      outcome *r) {
    const bench_plan_options *o = call->options;
    const char *what = j->weights ? j->weights : "training";
    if (!*calibrated || strcmp(*calibrated, what))
        TRY(j->weights ? plan_calibrate_serve(call, m, what, NULL) : plan_calibrate_train(call, m));
    *calibrated = what;
    TRY(plan_job_predict(call->cx, j, m, &r->predicted));
    footprint_return_freed();
    return (j->weights ? plan_job_serve : plan_job_train)(call->cx, j, (int)o->threads, &r->actual);
}

static status run(const verb_call *call) {
    enum { MAPPED_BYTES = 1 << 18 };
    const bench_plan_options *o = call->options;
    const char *calibrated = NULL;
    outcome r[JOBS];
    machine m;
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES); /* larger blocks go back when they are freed */
    TRY(plan_measure_machine(call->cx, o->threads, &m));
    if (!o->json)
        fprintf(call->out, "%-20s %10s %10s %7s   %10s %10s %7s\n", "job", "planned", "taken", "",
                "planned", "taken", "");
    for (int i = 0; i < JOBS; i++) {
        TRY_NOTE(call->cx, run_job(call, &jobs[i], &m, &calibrated, &r[i]), "job %s", jobs[i].name);
        TRY(put(call, &jobs[i], &r[i]));
    }
    if (!o->json) sum_up(call, r);
    return STATUS_OK;
}

extern const verb_def verb_bench_plan;
const verb_def verb_bench_plan = {
    .name = "bench plan",
    .summary = "hold what plans predict against what happens",
    .help = "Twelve jobs are planned and then run: training steps of small models, and users that "
            "are served by models with random weights (kept in XDG_CACHE_HOME/hone/models). "
            "Memory is what the process takes for the job; time is the least of some training "
            "steps, or of three rounds of all answers.",
    .example = "hone bench plan",
    .options_bytes = sizeof(bench_plan_options),
    .options = options,
    .run = run,
};
