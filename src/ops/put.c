/* y = 0 in the shape of another tensor, and y[.., ids[.., j]] += x[.., j]: the gradient of take. */
#include "ops/kit/pick.h"
#include <string.h>

static status shape(const graph *g, const node *n, type *out) {
    const type *x = kit_type(g, n, 0), *ids = kit_type(g, n, 1);
    out[0] = *kit_type(g, n, 2);
    TRY(kit_need_floats(g, n, 0));
    TRY(kit_need_same(g, n, 0, 1));
    TRY(pick_need_rows(g, n, &out[0], ids));
    out[0].format = x->format;
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    const type *ids = kit_type(g, n, 1), *like = kit_type(g, n, 2);
    pick_labels_within(like, l->in[2], ids, l->in[1], l->in[0], l);
    for (int32_t d = 0; d < like->rank; d++) l->out[0][d] = l->in[2][d];
}

static void reference(const call *c) {
    int64_t columns = kit_columns(&c->out[0]), rows = kit_rows(&c->out[0]);
    int64_t each = rows ? kit_elems(&c->in[1]) / rows : 0;
    memset(c->out[0].data, 0, (size_t)(rows * columns) * sizeof(double));
    for (int64_t i = 0; i < rows * each; i++) {
        int64_t id = kit_id(&c->in[1], i);
        if (id >= 0 && id < columns) kit_out(c, 0)[i / each * columns + id] += kit_in(c, 0)[i];
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    if (want & 1) dx[0] = build_take(g, dy[0], value_node(g, y)->in[1]);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 5, dim), fewer = (int32_t)sample_int(s, 0, rank > 1);
    value like = sample_floats(s, rank, dim, -1, 1);
    int64_t columns = dim[rank - 1];
    dim[rank - 1] = sample_extent(s, 1, 4);
    value ids = pick_sample_ids(s, rank - fewer, dim, columns);
    return kit_sampled(s, build_put(s->g, sample_floats(s, rank - fewer, dim, -1, 1), ids, like));
}

value build_put(graph *g, value x, value ids, value like) {
    return graph_add(g, &op_put, NULL, 3, (value[]){x, ids, like});
}

const op_def op_put = {
    .name = "put",
    .help = "y = 0, y[.., ids[.., j]] += x[.., j]",
    .n_in = 3,
    .n_out = 1,
    .index_in = 2,
    .shape_only = 4,
    .no_grad_in = 4,
    .linear = 1,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = kit_cost_each,
    .sample = draw,
};
