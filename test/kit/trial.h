/* An example graph rewritten, planned and run: what the tests of rewrites have in common. */
#ifndef TEST_KIT_TRIAL_H
#define TEST_KIT_TRIAL_H

#include "cmd/kit/graphs.h"
#include "exec/plan.h"
#include "graph/rewrite.h"

typedef struct trial {
    graph *g;
    states *store;
    pool *workers;
    plan *p;
} trial;

typedef struct trial_step {
    const rewrite_def *def; /* NULL: AdamW on every gradient */
    const void *options;
} trial_step;

typedef struct trial_setup {
    const example_graph *example;
    trial_step steps[6];
    int32_t n_steps, threads;
    bool reference_only;
} trial_setup;

status trial_open(context *cx, const trial_setup *setup, trial *t);
void trial_close(trial *t);
/* Random parameters, moments at zero, ids below 10, sequences of unequal lengths over 37 tokens. */
status trial_fill(trial *t, uint64_t seed);
/* One step; the loss. */
double trial_run(trial *t, uint64_t step_seed);
/* |a - b| / |b| over all gradients, in the 2-norm; 0 exactly when every bit agrees. */
double trial_distance(const trial *a, const trial *b);

#endif
