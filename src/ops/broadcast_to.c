/* y = x repeated to the shape of another tensor (divided by the number of repeats if asked): the
 * opposite of sum and mean, and the gradient of both. */
#include "ops/kit/kit.h"
#include "ops/reduce.h"

static status shape(const graph *g, const node *n, type *out) {
    const broadcast_to_params *p = n->params;
    const type *x = kit_type(g, n, 0), *like = kit_type(g, n, 1);
    TRY(kit_need_floats(g, n, 0));
    int32_t d = 0;
    bool fits = p->axes >= 0 && !(p->axes >> like->rank);
    for (int32_t a = 0; a < like->rank && fits; a++) {
        if (p->axes >> a & 1) continue;
        fits = d < x->rank && (extent_is(x->dim[d], 1) || extent_same(x->dim[d], like->dim[a]));
        d++;
    }
    if (!fits || d != x->rank)
        return op_fail(g, n, "operand 0 does not stretch to operand 1 with new axes (bits) 0x%llx",
                       (unsigned long long)p->axes);
    out[0] = *like;
    out[0].format = x->format;
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    const broadcast_to_params *p = n->params;
    const type *x = kit_type(g, n, 0), *like = kit_type(g, n, 1);
    for (int32_t a = 0, d = 0; a < like->rank; a++) {
        bool fresh = p->axes >> a & 1;
        bool stretched = fresh || (extent_is(x->dim[d], 1) && !extent_is(like->dim[a], 1));
        l->in[1][a].label = l->out[0][a].label = (int8_t)(a + 1);
        /* Half of the repeats would be divided by half of their number. */
        if (stretched && p->average) l->how[a + 1] = LABEL_WHOLE;
        if (!fresh) l->in[0][d++].label = (int8_t)(stretched ? 0 : a + 1);
    }
}

static void reference(const call *c) {
    const broadcast_to_params *p = c->params;
    double repeats = p->average ? (double)kit_elems(&c->out[0]) / (double)kit_elems(&c->in[0]) : 1;
    kit_walk w = kit_walk_over(&c->out[0]);
    kit_walk_kept(&w, 0, &c->in[0], ~p->axes);
    for (double *y = kit_out(c, 0); w.left; kit_walk_next(&w))
        *y++ = kit_in(c, 0)[w.at[0]] / repeats;
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const node *n = value_node(g, y);
    const broadcast_to_params *p = n->params;
    if (!(want & 1)) return;
    const type *x = value_type(g, n->in[0]), *like = value_type(g, n->in[1]);
    int64_t ones = 0;
    int32_t d = 0;
    for (int32_t a = 0; a < like->rank; a++)
        if (!(p->axes >> a & 1) && extent_is(x->dim[d++], 1)) ones |= (int64_t)1 << a;
    value v = dy[0];
    if (ones) v = p->average ? build_mean(g, v, ones, true) : build_sum(g, v, ones, true);
    if (p->axes)
        v = p->average ? build_mean(g, v, p->axes, false) : build_sum(g, v, p->axes, false);
    dx[0] = v;
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK], from[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 4, 5, dim), kept = 0;
    broadcast_to_params p = {0, sample_int(s, 0, 1) == 0};
    for (int32_t d = 0; d < rank; d++) {
        int64_t how = sample_int(s, 0, 3);
        if (how == 0)
            p.axes |= (int64_t)1 << d;
        else
            from[kept++] = how == 1 ? 1 : dim[d];
    }
    value in[2] = {sample_floats(s, kept, from, -2, 2), sample_floats(s, rank, dim, -2, 2)};
    return kit_sampled(s, graph_add(s->g, &op_broadcast_to, &p, 2, in));
}

value build_broadcast_to(graph *g, value x, value like, int64_t axes) {
    broadcast_to_params p = {axes, false};
    return graph_add(g, &op_broadcast_to, &p, 2, (value[]){x, like});
}

static const field fields[] = {FIELD(broadcast_to_params, axes, FIELD_INT64),
                               FIELD(broadcast_to_params, average, FIELD_BOOL),
                               {0}};
const op_def op_broadcast_to = {
    .name = "broadcast_to",
    .help = "y = x repeated to the shape of another",
    .params_bytes = sizeof(broadcast_to_params),
    .fields = fields,
    .n_in = 2,
    .n_out = 1,
    .shape_only = 2,
    .no_grad_in = 2,
    .linear = 1,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = kit_cost_each,
    .sample = draw,
};
