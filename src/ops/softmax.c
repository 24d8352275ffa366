/* y = exp(x) / sum of exp(x), over the innermost axis; dx = y (dy - sum(dy y)). The largest x is
 * taken off first. */
#include "ops/binary.h"
#include "ops/kit/soft.h"
#include "ops/reduce.h"
#include <math.h>

static void reference(const call *c) {
    int64_t columns = kit_columns(&c->in[0]);
    for (int64_t r = 0; r < kit_rows(&c->in[0]); r++) {
        const double *x = kit_in(c, 0) + r * columns;
        double *y = kit_out(c, 0) + r * columns, lse = soft_lse(x, columns);
        for (int64_t k = 0; k < columns; k++) y[k] = exp(x[k] - lse);
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    if (!(want & 1)) return;
    int64_t last = (int64_t)1 << (value_type(g, y)->rank - 1);
    value pulled = build_sum(g, build_mul(g, dy[0], y), last, true);
    dx[0] = build_mul(g, y, build_sub(g, dy[0], pulled));
}

static status draw(sample *s) {
    return soft_sample(s, &op_softmax);
}

value build_softmax(graph *g, value x) {
    return graph_add(g, &op_softmax, NULL, 1, &x);
}

const op_def op_softmax = {
    .name = "softmax",
    .help = "y = exp(x) / sum of exp(x), over the innermost axis",
    SOFT_FIELDS,
    .reference = reference,
    .gradient = gradient,
    .sample = draw,
};
