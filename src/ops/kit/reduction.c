/* What reductions share. */
#include "ops/kit/reduction.h"

const field reduce_fields[] = {
    FIELD(reduce_params, axes, FIELD_INT64), FIELD(reduce_params, keep, FIELD_BOOL), {0}};

status reduce_shape(const graph *g, const node *n, type *out) {
    const reduce_params *p = n->params;
    const type *x = kit_type(g, n, 0);
    TRY(kit_need_floats(g, n, 0));
    if (p->axes < 0 || p->axes >> x->rank)
        return op_fail(g, n, "the axes to reduce (bits 0x%llx) are not all there",
                       (unsigned long long)p->axes);
    out[0].format = x->format;
    for (int32_t d = 0; d < x->rank; d++) {
        bool reduced = p->axes >> d & 1;
        if (!reduced || p->keep) out[0].dim[out[0].rank++] = reduced ? extent_of(1) : x->dim[d];
    }
    return STATUS_OK;
}

void reduce_labels(const graph *g, const node *n, labels *l, label_how how) {
    const reduce_params *p = n->params;
    int32_t rank = kit_type(g, n, 0)->rank, o = 0;
    for (int32_t d = 0; d < rank; d++) {
        bool reduced = p->axes >> d & 1;
        l->in[0][d].label = (int8_t)(d + 1);
        if (reduced) l->how[d + 1] = how;
        if (!reduced) l->out[0][o].label = (int8_t)(d + 1);
        o += !reduced || p->keep;
    }
}

kit_walk reduce_walk(const call *c) {
    const reduce_params *p = c->params;
    kit_walk w = kit_walk_over(&c->in[0]);
    kit_walk_kept(&w, 0, &c->out[0], p->keep ? -1 : ~p->axes);
    return w;
}

double reduce_ratio(const call *c) {
    const reduce_params *p = c->params;
    double ratio = 1;
    for (int32_t d = 0; d < c->in[0].rank; d++)
        if (p->axes >> d & 1) ratio *= (double)c->in[0].dim[d];
    return ratio;
}

value reduce_back(graph *g, value y, value dy, bool average) {
    const reduce_params *p = value_node(g, y)->params;
    value x = value_node(g, y)->in[0];
    broadcast_to_params to = {p->keep ? 0 : p->axes, average};
    return graph_add(g, &op_broadcast_to, &to, 2, (value[]){dy, x});
}

void reduce_cost(const call *c, cost *out) {
    kit_cost(c, (double)kit_elems(&c->in[0]), out);
}

status reduce_sample(sample *s, const op_def *op) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 4, 5, dim);
    value x = sample_floats(s, rank, dim, -2, 2);
    reduce_params p = {sample_int(s, 0, ((int64_t)1 << rank) - 1), sample_int(s, 0, 1) == 0};
    return kit_sampled(s, graph_add(s->g, op, &p, 1, &x));
}
