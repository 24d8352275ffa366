/* y[t, :] = table[ids[t], :]. */
#include "ops/kit/pick.h"

static status shape(const graph *g, const node *n, type *out) {
    const embedding_params *p = n->params;
    TRY(kit_need_rank(g, n, 0, 2));
    TRY(pick_rows_shape(g, n, out));
    if (p->format)
        out[0].format = p->format;
    else if (out[0].format->kind != NUM_FLOAT)
        out[0].format = num_find("f32");
    if (out[0].format->kind != NUM_FLOAT)
        return op_fail(g, n, "rows must come out as plain floats, not %s", out[0].format->name);
    return STATUS_OK;
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const node *n = value_node(g, y);
    if (want & 1)
        dx[0] = kit_format_like(g, build_scatter_add(g, dy[0], n->in[1], n->in[0]), n->in[0]);
}

static status draw(sample *s) {
    int64_t dim[2] = {sample_extent(s, 1, 6), sample_extent(s, 1, 5)},
            tokens = sample_extent(s, 1, 9);
    value table = sample_floats(s, 2, dim, -1, 1);
    return kit_sampled(s,
                       build_embedding(s->g, table, pick_sample_ids(s, 1, &tokens, dim[0]), NULL));
}

value build_embedding(graph *g, value table, value ids, const num_format *format) {
    return graph_add(g, &op_embedding, &(embedding_params){format}, 2, (value[]){table, ids});
}

static const field fields[] = {FIELD(embedding_params, format, FIELD_FORMAT), {0}};
const op_def op_embedding = {
    .name = "embedding",
    .help = "y[t] = table[ids[t]]",
    .params_bytes = sizeof(embedding_params),
    .fields = fields,
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
