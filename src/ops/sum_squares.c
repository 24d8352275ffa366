/* y = the sum of x^2 over some axes: norms of gradients, without a squared copy. */
#include "ops/binary.h"
#include "ops/kit/reduction.h"
#include "ops/scale.h"

static void label(const graph *g, const node *n, labels *l) {
    reduce_labels(g, n, l, LABEL_FREE);
}

static void reference(const call *c) {
    double *y = kit_out(c, 0);
    int64_t count = kit_elems(&c->out[0]);
    for (int64_t i = 0; i < count; i++) y[i] = 0;
    kit_walk w = reduce_walk(c);
    for (const double *x = kit_in(c, 0); w.left; kit_walk_next(&w), x++) y[w.at[0]] += *x * *x;
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    value x = value_node(g, y)->in[0];
    if (want & 1) dx[0] = build_mul(g, build_scale(g, x, 2, 0), reduce_back(g, y, dy[0], false));
}

static void count_cost(const call *c, cost *out) {
    kit_cost(c, 2 * (double)kit_elems(&c->in[0]), out);
}

static status draw(sample *s) {
    return reduce_sample(s, &op_sum_squares);
}

value build_sum_squares(graph *g, value x, int64_t axes, bool keep) {
    return graph_add(g, &op_sum_squares, &(reduce_params){axes, keep}, 1, &x);
}

const op_def op_sum_squares = {
    .name = "sum_squares",
    .help = "y = sum of x^2 over axes",
    .params_bytes = sizeof(reduce_params),
    .fields = reduce_fields,
    .n_in = 1,
    .n_out = 1,
    .precision = PRECISION_WIDE,
    .shape = reduce_shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = count_cost,
    .sample = draw,
};
