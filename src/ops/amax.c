/* y = the largest of x over some axes. Equal largest values share the gradient. */
#include "ops/kit/reduction.h"
#include "ops/binary.h"
#include <math.h>

static void label(const graph *g, const node *n, labels *l) {
    reduce_labels(g, n, l, LABEL_MAX);
}

static void reference(const call *c) {
    double *y = kit_out(c, 0);
    int64_t count = kit_elems(&c->out[0]);
    for (int64_t i = 0; i < count; i++) y[i] = -INFINITY;
    kit_walk w = reduce_walk(c);
    for (const double *x = kit_in(c, 0); w.left; kit_walk_next(&w), x++) {
        double *to = &y[w.at[0]];
        *to = *x > *to || isnan(*x) ? *x : *to;
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    if (!(want & 1)) return;
    const reduce_params *p = value_node(g, y)->params;
    value x = value_node(g, y)->in[0];
    value top = build_compare(g, COMPARE_EQ, x, reduce_back(g, y, y, false));
    value share = build_div(g, dy[0], build_sum(g, top, p->axes, p->keep));
    dx[0] = build_mul(g, top, reduce_back(g, y, share, false));
}

static status draw(sample *s) {
    return reduce_sample(s, &op_amax);
}

value build_amax(graph *g, value x, int64_t axes, bool keep) {
    return graph_add(g, &op_amax, &(reduce_params){axes, keep}, 1, &x);
}

const op_def op_amax = {
    .name = "amax",
    .help = "y = max of x over axes",
    .params_bytes = sizeof(reduce_params),
    .fields = reduce_fields,
    .n_in = 1,
    .n_out = 1,
    .linear = 0,
    .precision = PRECISION_WIDE,
    .shape = reduce_shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = reduce_cost,
    .sample = draw,
};
