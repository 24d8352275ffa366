/* The next version of a state is x. */
#include "ops/kit/update.h"
#include <string.h>

static status shape(const graph *g, const node *n, type *out) {
    return update_shape(g, n, 2, out);
}

static void reference(const call *c) {
    memmove(c->out[0].data, c->in[1].data, (size_t)kit_elems(&c->out[0]) * sizeof(double));
}

static status draw(sample *s) {
    value in[2];
    update_sample(s, 2, in);
    return kit_sampled(s, build_assign(s->g, in[0], in[1]));
}

value build_assign(graph *g, value target, value x) {
    return graph_add(g, &op_assign, NULL, 2, (value[]){target, x});
}

const op_def op_assign = {
    .name = "assign",
    .help = "target = x",
    .n_in = 2,
    .n_out = 1,
    .writes = {1},
    .no_grad = true,
    .shape = shape,
    .labels = kit_labels_equal,
    .reference = reference,
    .cost = kit_cost_copy,
    .sample = draw,
};
