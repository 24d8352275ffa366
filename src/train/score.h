/* Forward only: the loss of each token under a model, for evaluation while training and for hone eval. It shares the
 * states of what trains. */
#ifndef TRAIN_SCORE_H
#define TRAIN_SCORE_H

#include "graph/rewrite.h"
#include "train/step.h"

typedef struct score_inputs {
    value ids, targets, positions, offsets;
} score_inputs;

/* Inputs "ids", "targets", "positions", "offsets" over the symbols "tokens" and "sequences". */
score_inputs score_build_inputs(graph *g, int64_t tokens, int64_t sequences);
/* Replaces *g by its rewriting. */
status score_rewrite(const rewrite_def *def, const void *options, uint32_t *facts, graph **g);
/* The rewrite to 16 bit products, where `precision` asks for it. */
status score_narrow(const num_format *precision, uint32_t *facts, graph **g);
/* Copies a batch into a plan's inputs and binds its extents. */
status score_bind(plan *p, const step_batch *b);

typedef struct score {
    context *cx;
    graph *g;
    plan *p;
} score;

/* `o` gives the bounds, the precision, what is of scoring alone, and dry_run. */
status score_new(context *cx, const step_model *model, const step_options *o, states *store,
                 pool *workers, score **out);
void score_free(score *s);
/* `each`: the loss of every row, 0 where nothing is predicted, until the next call. Weights must not have changed
 * from outside since the last call unless `reload` is set. */
status score_run(score *s, const step_batch *b, bool reload, const float **each);
/* Of the last run, [tokens, vocabulary]; only with options.keeps_logits. */
const float *score_logits(const score *s);

#endif
