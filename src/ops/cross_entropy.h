/* The loss of predicting one class a row, straight from logits:
 *   lse = log of the sum of exp(logits);  loss = weight (lse - logits[target] + z lse^2)
 * A target outside 0 .. vocabulary - 1 (such as -1) is ignored: loss and gradient 0. z keeps lse
 * near 0 (PaLM, section 5). Probabilities exist one row at a time; the backward writes
 *   dlogits = a (p (1 + 2 z lse) - onehot) + dlse p,  a = dloss weight,  p = exp(logits - lse). */
#ifndef OPS_CROSS_ENTROPY_H
#define OPS_CROSS_ENTROPY_H

#include "graph/op.h"

typedef struct cross_entropy_params {
    double z;
} cross_entropy_params;

enum {
    CROSS_ENTROPY_LOGITS,  /* [tokens, vocabulary] */
    CROSS_ENTROPY_TARGETS, /* i32 [tokens] */
    CROSS_ENTROPY_WEIGHTS, /* [tokens], optional */
    CROSS_ENTROPY_OPERANDS,
    CROSS_ENTROPY_LSE = CROSS_ENTROPY_OPERANDS, /* from here on of the backward only */
    CROSS_ENTROPY_DLOSS,                        /* optional, like dlse */
    CROSS_ENTROPY_DLSE,
    CROSS_ENTROPY_BWD_OPERANDS
};

/* Outputs: 0 loss, 1 lse, both [tokens] in f32 or finer. */
value build_cross_entropy(graph *g, value logits, value targets, value weights, double z);
extern const op_def op_cross_entropy, op_cross_entropy_bwd;

#endif
