/* y = x - log of the sum of exp(x), over the innermost axis; dx = dy - exp(y) sum(dy). The
 * largest x is taken off first. */
#include "ops/binary.h"
#include "ops/kit/soft.h"
#include "ops/reduce.h"
#include "ops/unary.h"

static void reference(const call *c) {
    int64_t columns = kit_columns(&c->in[0]);
    for (int64_t r = 0; r < kit_rows(&c->in[0]); r++) {
        const double *x = kit_in(c, 0) + r * columns;
        double *y = kit_out(c, 0) + r * columns, lse = soft_lse(x, columns);
        for (int64_t k = 0; k < columns; k++) y[k] = x[k] - lse;
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    if (!(want & 1)) return;
    int64_t last = (int64_t)1 << (value_type(g, y)->rank - 1);
    value sum = build_sum(g, dy[0], last, true);
    dx[0] = build_sub(g, dy[0], build_mul(g, build_exp(g, y), sum));
}

static status draw(sample *s) {
    return soft_sample(s, &op_log_softmax);
}

value build_log_softmax(graph *g, value x) {
    return graph_add(g, &op_log_softmax, NULL, 1, &x);
}

const op_def op_log_softmax = {
    .name = "log_softmax",
    .help = "y = x - log of the sum of exp(x), over the innermost axis",
    SOFT_FIELDS,
    .reference = reference,
    .gradient = gradient,
    .sample = draw,
};
