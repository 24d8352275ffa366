/* Copying stretches of one axis between tensors that are equal in all others. */
#ifndef OPS_KIT_LANE_H
#define OPS_KIT_LANE_H

#include "ops/kit/kit.h"

/* `count` positions of the axis, from position `from` of a to position `to` of b. */
void lane_copy(const tensor *a, int64_t from, const tensor *b, int64_t to, int64_t count,
               int32_t axis);
/* The operand's axis must exist and have a constant extent. */
status lane_need_constant(const graph *g, const node *n, int i, int32_t axis);
/* kit_labels_equal but for the axis, which cannot be split. */
void lane_labels(const graph *g, const node *n, int32_t axis, labels *l);

#endif
