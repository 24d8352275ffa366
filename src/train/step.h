/* One step of learning. The loss of a step is the mean over all its predicted tokens, however they fall into
 * micro-batches and documents, so every gradient is a sum over tokens, and what is known before the step, 1 / tokens,
 * is multiplied in at the update:
 *   g = sum over tokens of d loss / d w;   n = |g| / tokens, over all parameters
 *   scale = (1 / tokens) min(1, clip / (n + 1e-6))
 *   w' = optimiser(w, scale g);            ema' = d ema + (1 - d) w'
 * With one micro-batch forward, backward and update are one graph. With more, a gathering graph adds gradients to
 * states "NAME.grad" and a second graph updates from them.
 *
 * The loss reported is the cross-entropy alone, in nats a token, without the z term. */
#ifndef TRAIN_STEP_H
#define TRAIN_STEP_H

#include "exec/plan.h"
#include "rewrite/recompute.h"
#include "train/optimiser.h"

/* What is trained: rows of ids to logits [tokens, vocabulary]. */
typedef struct step_model {
    value (*logits)(void *user, graph *g, value ids, value positions, value offsets,
                    double dropout);
    /* Gives the states that a graph asks for and the store lacks their first contents. NULL: they
     * are zeroed. */
    status (*fill)(void *user, states *store, const graph *g);
    /* What is learned from instead of the cross-entropy `each`, a loss for each token; NULL: that. */
    value (*loss)(void *user, graph *g, value logits, value each);
    /* Between gradients and update of a step that gathers: another point for the gradient than for the update, as
     * straight-through estimators have it. May be NULL. */
    void (*between)(void *user, states *store);
    /* Whether the parameter of that name is trained; NULL: all are. */
    bool (*learns)(void *user, const char *name);
    void *user;
} step_model;

/* Sequences end to end; a target below 0 is not predicted. */
typedef struct step_batch {
    const int32_t *ids, *targets, *positions; /* [tokens] */
    const int32_t *offsets;                   /* [sequences + 1] */
    int64_t tokens, sequences;
} step_batch;

typedef struct step_options {
    int64_t tokens, sequences; /* bounds of a micro-batch */
    bool gathers;              /* more than one micro-batch a step */
    double dropout, z;
    double clip; /* of the gradient's norm; 0: none */
    double ema;  /* share of the average that stays; 0: no average */
    const optimiser_def *optimiser;
    optimiser_options optimiser_options;
    const num_format *precision; /* of products; NULL: f32 */
    recompute_kind recompute;
    uint64_t seed;
    bool dry_run; /* plans only: no memory, nothing can be run */
    /* Of scoring alone: what meets quantised weights is rounded to int8 (rewrite/act_int8.c); the logits of every row
     * are kept. */
    bool act_int8, keeps_logits;
    const num_format
        *w8a8; /* and both sides of the layers' products to this (rewrite/w8a8.c); NULL: no */
} step_options;

typedef struct step_result {
    double loss; /* mean over tokens */
    double norm; /* of the gradient, before clipping */
    int64_t tokens;
} step_result;

typedef struct step {
    context *cx;
    step_model model;
    step_options options;
    pool *workers;
    states *store;
    graph *learn_graph, *update_graph; /* the second only where the step gathers */
    plan *learn, *update;
    int32_t n_parameters;
    const char **names;   /* of the parameters */
    const char **squares; /* of the outputs with their gradients' sums of squares */
    arena mem;
} step;

/* The store must outlive the step. Missing states are made, zeroed. */
status step_new(context *cx, const step_model *model, const step_options *o, states *store,
                pool *workers, step **out);
void step_free(step *s);

/* One update from `n` micro-batches (1 unless the step gathers). `number` counts from 1. */
status step_run(step *s, const step_batch *batches, int64_t n, double lr, int64_t number,
                step_result *out);
/* After a step whose norm is not finite: the parameter whose gradient is to blame, the last one in the order of the
 * graph, where the trouble began; NULL: only the loss is. *count: how many are not finite. */
const char *step_blame(const step *s, int64_t *count);
/* The parameter with the largest gradient of the last step. */
const char *step_largest(const step *s);

/* Operations of matrix products and attention in the last micro-batch, forward and backward, without recomputation. */
double step_flops(const step *s);
/* Planned memory without states; the states. */
int64_t step_planned_bytes(const step *s);
int64_t step_state_bytes(const step *s);
/* Copies parameters into their averages (at the start), or exchanges the two (around evaluation). */
void step_average_begin(const step *s);
void step_average_exchange(const step *s);

/* ---- inside ---- */
status step_build(step *s);

#endif
