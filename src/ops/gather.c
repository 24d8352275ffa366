/* y[i, ..] = x[ids[i], ..]. */
#include "ops/kit/pick.h"

static status shape(const graph *g, const node *n, type *out) {
    TRY(kit_need_floats(g, n, 0));
    return pick_rows_shape(g, n, out);
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const node *n = value_node(g, y);
    if (want & 1) dx[0] = build_scatter_add(g, dy[0], n->in[1], n->in[0]);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK], count = sample_extent(s, 1, 7);
    int32_t rank = kit_sample_dims(s, 1, 3, 5, dim);
    value x = sample_floats(s, rank, dim, -1, 1);
    return kit_sampled(s, build_gather(s->g, x, pick_sample_ids(s, 1, &count, dim[0])));
}

value build_gather(graph *g, value x, value ids) {
    return graph_add(g, &op_gather, NULL, 2, (value[]){x, ids});
}

const op_def op_gather = {
    .name = "gather",
    .help = "y[i] = x[ids[i]]",
    .n_in = 2,
    .n_out = 1,
    .index_in = 2,
    .linear = 1,
    .shape = shape,
    .labels = pick_rows_labels,
    .reference = pick_rows,
    .gradient = gradient,
    .cost = pick_cost,
    .sample = draw,
};
