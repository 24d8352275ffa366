/* y = x with its axes in another order. */
#include "ops/kit/kit.h"
#include "ops/shape.h"

static status shape(const graph *g, const node *n, type *out) {
    const permute_params *p = n->params;
    const type *x = kit_type(g, n, 0);
    TRY(kit_need_floats(g, n, 0));
    uint32_t seen = 0;
    for (int32_t d = 0; d < x->rank; d++)
        if (p->from[d] >= 0 && p->from[d] < x->rank) seen |= 1u << p->from[d];
    if (seen != (1u << x->rank) - 1)
        return op_fail(g, n, "the new order does not name each axis once");
    out[0] = *x;
    for (int32_t d = 0; d < x->rank; d++) out[0].dim[d] = x->dim[p->from[d]];
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    const permute_params *p = n->params;
    for (int32_t d = 0; d < kit_type(g, n, 0)->rank; d++) {
        l->in[0][d].label = (int8_t)(d + 1);
        l->out[0][d].label = (int8_t)(p->from[d] + 1);
    }
}

static void reference(const call *c) {
    const permute_params *p = c->params;
    int64_t stride[MAX_RANK], next = 1;
    for (int32_t d = c->in[0].rank - 1; d >= 0; d--) {
        stride[d] = next;
        next *= c->in[0].dim[d];
    }
    kit_walk w = kit_walk_over(&c->out[0]);
    for (int32_t d = 0; d < w.rank; d++) w.stride[0][d] = stride[p->from[d]];
    for (double *y = kit_out(c, 0); w.left; kit_walk_next(&w)) *y++ = kit_in(c, 0)[w.at[0]];
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const permute_params *p = value_node(g, y)->params;
    int64_t back[MAX_RANK] = {0};
    for (int32_t d = 0; d < value_type(g, y)->rank; d++) back[p->from[d]] = d;
    if (want & 1) dx[0] = build_permute(g, dy[0], back);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK], from[MAX_RANK] = {0, 1, 2, 3, 4, 5};
    int32_t rank = kit_sample_dims(s, 1, 4, 5, dim);
    for (int32_t d = rank - 1; d > 0; d--) {
        int64_t other = sample_int(s, 0, d), kept = from[d];
        from[d] = from[other];
        from[other] = kept;
    }
    return kit_sampled(s, build_permute(s->g, sample_floats(s, rank, dim, -1, 1), from));
}

value build_permute(graph *g, value x, const int64_t *from) {
    permute_params p = {0};
    int32_t rank = value_absent(x) ? 0 : value_type(g, x)->rank;
    for (int32_t d = 0; d < rank; d++) p.from[d] = from[d];
    return graph_add(g, &op_permute, &p, 1, &x);
}

value build_transpose(graph *g, value x) {
    int64_t from[MAX_RANK] = {0, 1, 2, 3, 4, 5};
    int32_t rank = value_absent(x) ? 0 : value_type(g, x)->rank;
    if (rank >= 2) {
        from[rank - 1] = rank - 2;
        from[rank - 2] = rank - 1;
    }
    return build_permute(g, x, from);
}

static const field fields[] = {{.name = "from",
                                .kind = FIELD_INT64S,
                                .offset = offsetof(permute_params, from),
                                .count = MAX_RANK},
                               {0}};
const op_def op_permute = {
    .name = "permute",
    .help = "y = x with its axes in another order",
    .params_bytes = sizeof(permute_params),
    .fields = fields,
    .n_in = 1,
    .n_out = 1,
    .linear = 1,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = kit_cost_copy,
    .sample = draw,
};
