/* What optimisers share: operands 0 .. tensors - 1 are of one shape, the rest are scalars, and
 * output o is the next version of operand o. */
#ifndef OPS_KIT_UPDATE_H
#define OPS_KIT_UPDATE_H

#include "ops/kit/kit.h"
#include "ops/optimiser.h"

status update_shape(const graph *g, const node *n, int32_t tensors, type *out);
/* Operand `gradient`'s element times operand `scale`, where that is given. */
double update_gradient(const call *c, int gradient, int scale, int64_t i);
static inline double update_scalar(const call *c, int i) {
    return kit_in(c, i)[0];
}
/* Draws `tensors` tensors of one shape. */
void update_sample(sample *s, int32_t tensors, value *in);
value update_sample_scalar(sample *s, double low, double high, bool optional);

#endif
