/* y = the mean of x over some axes. Means of halves do not add up to the mean, so reduced axes stay
 * whole. */
#include "ops/kit/reduction.h"

static void label(const graph *g, const node *n, labels *l) {
    reduce_labels(g, n, l, LABEL_WHOLE);
}

static void reference(const call *c) {
    double *y = kit_out(c, 0);
    int64_t count = kit_elems(&c->out[0]);
    for (int64_t i = 0; i < count; i++) y[i] = 0;
    kit_walk w = reduce_walk(c);
    for (const double *x = kit_in(c, 0); w.left; kit_walk_next(&w), x++) y[w.at[0]] += *x;
    for (int64_t i = 0; i < count; i++) y[i] /= reduce_ratio(c);
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    if (want & 1) dx[0] = reduce_back(g, y, dy[0], true);
}

static status draw(sample *s) {
    return reduce_sample(s, &op_mean);
}

value build_mean(graph *g, value x, int64_t axes, bool keep) {
    return graph_add(g, &op_mean, &(reduce_params){axes, keep}, 1, &x);
}

const op_def op_mean = {
    .name = "mean",
    .help = "y = mean of x over axes",
    .params_bytes = sizeof(reduce_params),
    .fields = reduce_fields,
    .n_in = 1,
    .n_out = 1,
    .linear = 1,
    .precision = PRECISION_WIDE,
    .shape = reduce_shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = reduce_cost,
    .sample = draw,
};
