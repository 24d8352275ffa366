/* y = exp(x) / sum of exp(x), over the innermost axis; dx = y (dy - sum(dy y)). The largest x is
 * taken off first. */
#include "ops/binary.h"
#include "ops/kit/kit.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
#include <math.h>

static status shape(const graph *g, const node *n, type *out) {
    TRY(kit_need_floats(g, n, 0));
    out[0] = *kit_type(g, n, 0);
    return out[0].rank ? STATUS_OK : op_fail(g, n, "a scalar has no rows");
}

static void reference(const call *c) {
    int64_t columns = kit_columns(&c->in[0]);
    for (int64_t r = 0; r < kit_rows(&c->in[0]); r++) {
        const double *x = kit_in(c, 0) + r * columns;
        double *y = kit_out(c, 0) + r * columns, top = -INFINITY, sum = 0;
        for (int64_t k = 0; k < columns; k++) top = fmax(top, x[k]);
        for (int64_t k = 0; k < columns; k++) sum += exp(x[k] - top);
        for (int64_t k = 0; k < columns; k++) y[k] = exp(x[k] - top) / sum;
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    if (!(want & 1)) return;
    int64_t last = (int64_t)1 << (value_type(g, y)->rank - 1);
    value pulled = build_sum(g, build_mul(g, dy[0], y), last, true);
    dx[0] = build_mul(g, y, build_sub(g, dy[0], pulled));
}

static void count(const call *c, cost *out) {
    kit_cost(c, 12 * (double)kit_elems(&c->out[0]), out);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 8, dim);
    return kit_sampled(s, build_softmax(s->g, sample_floats(s, rank, dim, -3, 3)));
}

value build_softmax(graph *g, value x) {
    return graph_add(g, &op_softmax, NULL, 1, &x);
}

const op_def op_softmax = {
    .name = "softmax",
    .help = "y = exp(x) / sum of exp(x), over the innermost axis",
    .n_in = 1,
    .n_out = 1,
    .may_overwrite = 1,
    .precision = PRECISION_WIDE,
    .shape = shape,
    .labels = kit_labels_rows,
    .reference = reference,
    .gradient = gradient,
    .cost = count,
    .sample = draw,
};
