/* What cross_entropy and its backward share. */
#ifndef OPS_KIT_ENTROPY_H
#define OPS_KIT_ENTROPY_H

#include "ops/cross_entropy.h"
#include "ops/kit/kit.h"

status entropy_check(const graph *g, const node *n);
void entropy_labels(const graph *g, const node *n, labels *l);
/* Draws logits, targets and weights. */
void entropy_sample(sample *s, cross_entropy_params *p, int64_t *tokens, value *in);
/* 1 where the target counts, else 0, times v (a value for each token). */
value entropy_masked(graph *g, value v, value targets, value logits);
extern const field entropy_fields[];

#endif
