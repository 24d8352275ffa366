/* What softmax and log_softmax share: rows along the innermost axis, the largest taken off first. */
#ifndef OPS_KIT_SOFT_H
#define OPS_KIT_SOFT_H

#include "ops/kit/kit.h"
#include "ops/softmax.h"

/* log of the sum of exp(x) over n numbers. */
double soft_lse(const double *x, int64_t n);
status soft_shape(const graph *g, const node *n, type *out);
void soft_cost(const call *c, cost *out);
status soft_sample(sample *s, const op_def *op);

#define SOFT_FIELDS                                                                                \
    .n_in = 1, .n_out = 1, .may_overwrite = 1, .precision = PRECISION_WIDE, .shape = soft_shape,   \
    .labels = kit_labels_rows, .cost = soft_cost

#endif
