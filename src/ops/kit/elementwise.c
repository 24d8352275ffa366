/* Shapes, references and samplers of elementwise ops. */
#include "ops/kit/elementwise.h"

status unary_shape(const graph *g, const node *n, type *out) {
    TRY(kit_need_floats(g, n, 0));
    out[0] = *kit_type(g, n, 0);
    return STATUS_OK;
}

void unary_reference(const call *c, double (*at)(double)) {
    int64_t count = kit_elems(&c->out[0]);
    for (int64_t i = 0; i < count; i++) kit_out(c, 0)[i] = at(kit_in(c, 0)[i]);
}

status unary_sample(sample *s, const op_def *op, double low, double high) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, s->even ? 1 : 0, 3, 6, dim);
    value x = sample_floats(s, rank, dim, low, high);
    return kit_sampled(s, graph_add(s->g, op, NULL, 1, &x));
}

/* Stretches `out` to hold `t` as well. */
static bool stretch(type *out, const type *t) {
    if (t->rank > out->rank) {
        for (int32_t d = t->rank - 1; d >= 0; d--) {
            int32_t from = d - (t->rank - out->rank);
            out->dim[d] = from >= 0 ? out->dim[from] : extent_of(1);
        }
        out->rank = t->rank;
    }
    for (int32_t d = 0; d < t->rank; d++) {
        extent *to = &out->dim[d + out->rank - t->rank];
        if (extent_is(*to, 1))
            *to = t->dim[d];
        else if (!extent_is(t->dim[d], 1) && !extent_same(*to, t->dim[d]))
            return false;
    }
    return true;
}

status broadcast_shape(const graph *g, const node *n, type *out) {
    out[0] = *kit_type(g, n, 0);
    for (int32_t i = 0; i < n->n_in; i++) {
        TRY(kit_need_floats(g, n, i));
        const type *t = kit_type(g, n, i);
        out[0].format = i ? kit_wider(out[0].format, t->format) : t->format;
        if (!stretch(&out[0], t))
            return op_fail(g, n,
                           "operand %d does not fit: axes, aligned at the right, must be equal, "
                           "missing or the constant 1",
                           i);
    }
    return STATUS_OK;
}

void broadcast_labels(const graph *g, const node *n, labels *l) {
    int32_t rank = n->out[0].rank;
    for (int32_t i = 0; i < n->n_in; i++) kit_labels_right(l->in[i], kit_type(g, n, i), rank);
    kit_labels_right(l->out[0], &n->out[0], rank);
}

void broadcast_sample(sample *s, int32_t count, double low, double high, value *in) {
    int64_t whole[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 6, whole);
    for (int32_t i = 0; i < count; i++) {
        int32_t drop = sample_int(s, 0, 2) ? 0 : (int32_t)sample_int(s, 0, rank);
        int64_t dim[MAX_RANK];
        for (int32_t d = drop; d < rank; d++)
            dim[d - drop] = sample_int(s, 0, 4) == 0 ? 1 : whole[d];
        in[i] = sample_floats(s, rank - drop, dim, low, high);
    }
}

void binary_reference(const call *c, double (*at)(double, double)) {
    kit_walk w = kit_walk_over(&c->out[0]);
    kit_walk_broadcast(&w, 0, &c->in[0]);
    kit_walk_broadcast(&w, 1, &c->in[1]);
    for (double *y = kit_out(c, 0); w.left; kit_walk_next(&w))
        *y++ = at(kit_in(c, 0)[w.at[0]], kit_in(c, 1)[w.at[1]]);
}

status binary_sample(sample *s, const op_def *op, double low, double high) {
    value in[2];
    broadcast_sample(s, 2, low, high, in);
    return kit_sampled(s, graph_add(s->g, op, NULL, 2, in));
}
