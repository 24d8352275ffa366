/* Jobs whose plans are held against what happens: what `hone plan` predicts and what running them takes. */
#ifndef CMD_KIT_BENCH_PLAN_H
#define CMD_KIT_BENCH_PLAN_H

#include "plan/estimate.h"

typedef struct plan_job {
    const char *name, *preset;
    /* training: a micro-batch */
    const char *precision;
    recompute_kind recompute;
    int64_t batch, context;
    /* serving: users at once */
    const char *weights; /* NULL: it trains */
    int64_t users, prompt, answer;
} plan_job;

enum {
    PLAN_JOB_WARM = 4, /* tokens of an answer before those of the job, to one more prompt */
    PLAN_JOB_ROUNDS = 3
};

/* Of a training step, or of all users' answers. */
typedef struct plan_figures {
    double seconds;
    int64_t bytes;
} plan_figures;

status plan_job_predict(context *cx, const plan_job *j, const machine *m,
                        plan_figures *out) MUST_USE;
/* The least seconds of several training steps. */
status plan_job_train(context *cx, const plan_job *j, int threads, plan_figures *out) MUST_USE;
/* The least of as many rounds: what the machine does when nothing slows it, as plans mean it. */
status plan_job_serve(context *cx, const plan_job *j, int threads, plan_figures *out) MUST_USE;

#endif
