/* y[.., j] = x[.., ids[.., j]]: elements of each row, or one of each where ids have one axis
 * less. */
#include "ops/kit/pick.h"

static status shape(const graph *g, const node *n, type *out) {
    const type *x = kit_type(g, n, 0), *ids = kit_type(g, n, 1);
    TRY(kit_need_floats(g, n, 0));
    TRY(pick_need_rows(g, n, x, ids));
    out[0] = *ids;
    out[0].format = x->format;
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    pick_labels_within(kit_type(g, n, 0), l->in[0], kit_type(g, n, 1), l->in[1], l->out[0], l);
}

static void reference(const call *c) {
    int64_t columns = kit_columns(&c->in[0]), rows = kit_rows(&c->in[0]);
    int64_t each = rows ? kit_elems(&c->in[1]) / rows : 0;
    for (int64_t i = 0; i < rows * each; i++) {
        int64_t id = kit_id(&c->in[1], i);
        kit_out(c, 0)[i] = id < 0 || id >= columns ? 0 : kit_in(c, 0)[i / each * columns + id];
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const node *n = value_node(g, y);
    if (want & 1) dx[0] = build_put(g, dy[0], n->in[1], n->in[0]);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 5, dim), fewer = (int32_t)sample_int(s, 0, rank > 1);
    value x = sample_floats(s, rank, dim, -1, 1);
    int64_t columns = dim[rank - 1];
    dim[rank - 1] = sample_extent(s, 1, 4);
    return kit_sampled(s, build_take(s->g, x, pick_sample_ids(s, rank - fewer, dim, columns)));
}

value build_take(graph *g, value x, value ids) {
    return graph_add(g, &op_take, NULL, 2, (value[]){x, ids});
}

const op_def op_take = {
    .name = "take",
    .help = "y[.., j] = x[.., ids[.., j]]",
    .n_in = 2,
    .n_out = 1,
    .index_in = 2,
    .linear = 1,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = pick_cost,
    .sample = draw,
};
