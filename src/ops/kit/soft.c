/* What softmax and log_softmax share. */
#include "ops/kit/soft.h"
#include <math.h>

double soft_lse(const double *x, int64_t n) {
    double top = -INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++) top = fmax(top, x[k]);
    for (int64_t k = 0; k < n; k++) sum += exp(x[k] - top);
    return top + log(sum);
}

status soft_shape(const graph *g, const node *n, type *out) {
    TRY(kit_need_floats(g, n, 0));
    out[0] = *kit_type(g, n, 0);
    return out[0].rank ? STATUS_OK : op_fail(g, n, "a scalar has no rows");
}

void soft_cost(const call *c, cost *out) {
    kit_cost(c, 12 * (double)kit_elems(&c->out[0]), out);
}

status soft_sample(sample *s, const op_def *op) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 8, dim);
    value x = sample_floats(s, rank, dim, -3, 3);
    return kit_sampled(s, graph_add(s->g, op, NULL, 1, &x));
}
