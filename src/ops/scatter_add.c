/* y = 0 in the shape of another tensor, and y[ids[i], ..] += x[i, ..], in the order of i: the
 * gradient of gather. */
#include "ops/kit/pick.h"
#include <string.h>

static status shape(const graph *g, const node *n, type *out) {
    const type *x = kit_type(g, n, 0), *ids = kit_type(g, n, 1);
    out[0] = *kit_type(g, n, 2);
    TRY(kit_need_floats(g, n, 0));
    TRY(kit_need_rank(g, n, 1, 1));
    type rows = out[0];
    if (rows.rank) rows.dim[0] = ids->dim[0];
    if (!rows.rank || !type_same_dims(&rows, x))
        return op_fail(g, n, "operand 0 must have a row like operand 2's for each id");
    out[0].format = x->format;
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    l->in[0][0].label = l->in[1][0].label = 1;
    for (int32_t d = 1; d < kit_type(g, n, 0)->rank; d++)
        l->in[0][d].label = l->in[2][d].label = l->out[0][d].label = (int8_t)(d + 1);
}

static void reference(const call *c) {
    int64_t rows = c->out[0].dim[0], width = rows ? kit_elems(&c->out[0]) / rows : 0;
    double *y = kit_out(c, 0);
    memset(y, 0, (size_t)(rows * width) * sizeof *y);
    for (int64_t i = 0; i < c->in[1].dim[0]; i++) {
        int64_t id = kit_id(&c->in[1], i);
        if (id < 0 || id >= rows) continue;
        for (int64_t k = 0; k < width; k++) y[id * width + k] += kit_in(c, 0)[i * width + k];
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    if (want & 1) dx[0] = build_gather(g, dy[0], value_node(g, y)->in[1]);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK], count = sample_extent(s, 1, 7);
    int32_t rank = kit_sample_dims(s, 1, 3, 5, dim);
    value like = sample_floats(s, rank, dim, -1, 1), ids = pick_sample_ids(s, 1, &count, dim[0]);
    dim[0] = count;
    return kit_sampled(s, build_scatter_add(s->g, sample_floats(s, rank, dim, -1, 1), ids, like));
}

value build_scatter_add(graph *g, value rows, value ids, value like) {
    return graph_add(g, &op_scatter_add, NULL, 3, (value[]){rows, ids, like});
}

const op_def op_scatter_add = {
    .name = "scatter_add",
    .help = "y = 0, y[ids[i]] += x[i]",
    .n_in = 3,
    .n_out = 1,
    .index_in = 2,
    .shape_only = 4,
    .no_grad_in = 4,
    .linear = 1,
    .precision = PRECISION_WIDE,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = kit_cost_each,
    .sample = draw,
};
