/* An optimiser is one file, train/optimiser/NAME.c with `const optimiser_def optimiser_NAME`. It appends to a
 * differentiated graph, for one parameter at a time, the nodes that make its next version out of the gradient.
 * Moments are states named after their parameter ("NAME.m"), so that a checkpoint holds them like any other state.
 * Norms and biases (rank below 2) get no weight decay. */
#ifndef TRAIN_OPTIMISER_H
#define TRAIN_OPTIMISER_H

#include "graph/op.h"

typedef struct optimiser_options {
    double decay;        /* of matrices and tables, times the learning rate */
    double beta1, beta2; /* adamw: shares of the running means that stay */
    double eps;
    double momentum; /* sgd, muon */
    bool nesterov;
} optimiser_options;

/* One parameter's update. */
typedef struct update {
    graph *g;
    const optimiser_options *options;
    value w, gradient;
    value lr, step; /* inputs: scalar f32, scalar i32 from 1 */
    value scale;    /* scalar: what the gradient is multiplied by first (1 / tokens, clipping) */
    bool hidden;    /* a matrix between hidden layers: neither a table nor the output layer */
} update;

typedef struct optimiser_def {
    const char *name, *help;
    double lr; /* a sane peak learning rate, for help and defaults */
    /* The next version of u->w. */
    value (*next)(const update *u);
} optimiser_def;

/* Closed by NULL. */
extern const optimiser_def *const registry_optimiser[];
const optimiser_def *optimiser_find(const char *name);
/* What there is, for a name that is none of them. */
status optimiser_unknown(context *cx, const char *name) MUST_USE;

/* What optimisers share: the decay that holds for this parameter; a moment in its shape, f32; the mark that `at` is
 * the next version of `of`. */
double update_decay(const update *u);
value update_moment(const update *u, const char *suffix);
value update_mark(const update *u, value at, value of);

#endif
