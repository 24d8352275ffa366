/* Copying stretches of one axis. */
#include "ops/kit/lane.h"
#include <string.h>

void lane_copy(const tensor *a, int64_t from, const tensor *b, int64_t to, int64_t count,
               int32_t axis) {
    kit_split x = kit_split_at(a, axis), y = kit_split_at(b, axis);
    for (int64_t o = 0; o < x.outer; o++)
        memcpy((double *)b->data + (o * y.axis + to) * y.inner,
               (const double *)a->data + (o * x.axis + from) * x.inner,
               (size_t)(count * x.inner) * sizeof(double));
}

status lane_need_constant(const graph *g, const node *n, int i, int32_t axis) {
    const type *t = kit_type(g, n, i);
    if (axis < 0 || axis >= t->rank) return op_fail(g, n, "operand %d has no axis %d", i, axis);
    if (t->dim[axis].sym) return op_fail(g, n, "axis %d of operand %d is not constant", axis, i);
    return STATUS_OK;
}

void lane_labels(const graph *g, const node *n, int32_t axis, labels *l) {
    kit_labels_equal(g, n, l);
    l->how[axis + 1] = LABEL_WHOLE;
}
