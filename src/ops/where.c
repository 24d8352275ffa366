/* y = a where the mask is not 0, else b. The other one is not looked at, so its NaN does no
 * harm. */
#include "ops/fill.h"
#include "ops/kit/elementwise.h"

static void reference(const call *c) {
    kit_walk w = kit_walk_over(&c->out[0]);
    for (int i = 0; i < 3; i++) kit_walk_broadcast(&w, i, &c->in[i]);
    for (double *y = kit_out(c, 0); w.left; kit_walk_next(&w))
        *y++ = kit_in(c, 0)[w.at[0]] != 0 ? kit_in(c, 1)[w.at[1]] : kit_in(c, 2)[w.at[2]];
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const value *in = value_node(g, y)->in;
    value none = build_fill(g, dy[0], 0);
    if (kit_wants(want, 1)) dx[1] = kit_sum_like(g, build_where(g, in[0], dy[0], none), in[1]);
    if (kit_wants(want, 2)) dx[2] = kit_sum_like(g, build_where(g, in[0], none, dy[0]), in[2]);
}

static status draw(sample *s) {
    value in[3];
    broadcast_sample(s, 3, -2, 2, in);
    return kit_sampled(s, build_where(s->g, build_step(s->g, in[0]), in[1], in[2]));
}

value build_where(graph *g, value mask, value a, value b) {
    return graph_add(g, &op_where, NULL, 3, (value[]){mask, a, b});
}

const op_def op_where = {
    .name = "where",
    .help = "y = mask != 0 ? a : b",
    .n_in = 3,
    .n_out = 1,
    .no_grad_in = 1,
    .may_overwrite = 6,
    .shape = broadcast_shape,
    .labels = broadcast_labels,
    .reference = reference,
    .gradient = gradient,
    .cost = kit_cost_each,
    .sample = draw,
};
