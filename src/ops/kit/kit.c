/* What op files share. */
#include "ops/kit/kit.h"
#include "ops/cast.h"
#include "ops/reduce.h"
#include "ops/scale.h"

int64_t kit_elems(const tensor *t) {
    int64_t n = 1;
    for (int32_t d = 0; d < t->rank; d++) n *= t->dim[d];
    return n;
}

int64_t kit_rows(const tensor *t) {
    int64_t n = 1;
    for (int32_t d = 0; d + 1 < t->rank; d++) n *= t->dim[d];
    return n;
}

int64_t kit_columns(const tensor *t) {
    return t->rank ? t->dim[t->rank - 1] : 1;
}

int64_t kit_id(const tensor *t, int64_t i) {
    int64_t id;
    t->format->unpack_index(t->data, i, 1, &id);
    return id;
}

kit_split kit_split_at(const tensor *t, int32_t axis) {
    kit_split s = {1, t->dim[axis], 1};
    for (int32_t d = 0; d < axis; d++) s.outer *= t->dim[d];
    for (int32_t d = axis + 1; d < t->rank; d++) s.inner *= t->dim[d];
    return s;
}

kit_walk kit_walk_over(const tensor *t) {
    kit_walk w = {.rank = t->rank, .left = kit_elems(t)};
    for (int32_t d = 0; d < t->rank; d++) w.dim[d] = t->dim[d];
    return w;
}

void kit_walk_broadcast(kit_walk *w, int slot, const tensor *t) {
    int64_t stride = 1;
    for (int32_t d = t->rank - 1; d >= 0; d--) {
        int32_t at = d + w->rank - t->rank;
        w->stride[slot][at] = t->dim[d] == 1 && w->dim[at] != 1 ? 0 : stride;
        stride *= t->dim[d];
    }
}

void kit_walk_kept(kit_walk *w, int slot, const tensor *t, int64_t kept) {
    int64_t stride = 1;
    int32_t from = t->rank - 1;
    for (int32_t d = w->rank - 1; d >= 0; d--) {
        if (!(kept >> d & 1)) continue;
        w->stride[slot][d] = t->dim[from] == 1 && w->dim[d] != 1 ? 0 : stride;
        stride *= t->dim[from--];
    }
}

void kit_walk_next(kit_walk *w) {
    w->left--;
    for (int32_t d = w->rank - 1; d >= 0; d--) {
        for (int s = 0; s < 4; s++) w->at[s] += w->stride[s][d];
        if (++w->index[d] < w->dim[d]) return;
        for (int s = 0; s < 4; s++) w->at[s] -= w->stride[s][d] * w->dim[d];
        w->index[d] = 0;
    }
}

static double bytes_of(const tensor *t) {
    return (double)kit_rows(t) * (double)num_row_bytes(t->format, kit_columns(t));
}

void kit_cost(const call *c, double flops, cost *out) {
    *out = (cost){.flops = flops};
    for (int32_t i = 0; i < c->n_in; i++)
        if (c->in[i].format && !(i < 32 && c->node->op->shape_only >> i & 1))
            out->bytes += bytes_of(&c->in[i]);
    for (int32_t o = 0; o < c->n_out; o++)
        if (c->out[o].format) out->bytes += bytes_of(&c->out[o]);
}

void kit_cost_copy(const call *c, cost *out) {
    *out = (cost){.bytes = 2 * bytes_of(&c->out[0])};
}

void kit_cost_each(const call *c, cost *out) {
    kit_cost(c, (double)kit_elems(&c->out[0]), out);
}

const type *kit_type(const graph *g, const node *n, int i) {
    return i >= n->n_in || value_absent(n->in[i]) ? NULL : value_type(g, n->in[i]);
}

status kit_need_floats(const graph *g, const node *n, int i) {
    const type *t = kit_type(g, n, i);
    if (t && t->format->kind != NUM_FLOAT)
        return op_fail(g, n, "operand %d must be plain floats, not %s", i, t->format->name);
    return STATUS_OK;
}

status kit_need_rank(const graph *g, const node *n, int i, int32_t rank) {
    const type *t = kit_type(g, n, i);
    if (t && t->rank != rank)
        return op_fail(g, n, "operand %d must have %d axes, not %d", i, rank, t->rank);
    return STATUS_OK;
}

status kit_need_same(const graph *g, const node *n, int i, int j) {
    const type *a = kit_type(g, n, i), *b = kit_type(g, n, j);
    if (a && b && !type_same_dims(a, b))
        return op_fail(g, n, "operands %d and %d must have the same extents", i, j);
    return STATUS_OK;
}

const num_format *kit_wider(const num_format *a, const num_format *b) {
    return b->error < a->error ? b : a;
}

value kit_format_like(graph *g, value v, value x) {
    if (value_absent(v) || value_absent(x)) return v;
    const num_format *f = value_type(g, x)->format;
    if (value_type(g, v)->format == f || f->kind != NUM_FLOAT) return v;
    return build_cast(g, v, f);
}

value kit_sum_like(graph *g, value v, value x) {
    if (value_absent(v) || value_absent(x)) return v;
    const type *from = value_type(g, v), *to = value_type(g, x);
    int32_t more = from->rank - to->rank;
    int64_t ones = 0;
    for (int32_t d = 0; d < to->rank; d++)
        if (extent_is(to->dim[d], 1) && !extent_is(from->dim[d + more], 1))
            ones |= (int64_t)1 << (d + more);
    if (ones) v = build_sum(g, v, ones, true);
    if (more > 0) v = build_sum(g, v, ((int64_t)1 << more) - 1, false);
    return kit_format_like(g, v, x);
}

value kit_scaled(graph *g, value x, double mul) {
    return mul == 1 ? x : build_scale(g, x, mul, 0);
}

void kit_labels_right(axis_label *axes, const type *t, int32_t most_rank) {
    for (int32_t d = 0; d < t->rank; d++) {
        bool stretched = extent_is(t->dim[d], 1);
        axes[d].label = (int8_t)(stretched ? 0 : 1 + d + most_rank - t->rank);
    }
}

void kit_labels_equal(const graph *g, const node *n, labels *l) {
    for (int32_t i = 0; i < n->n_in; i++) {
        const type *t = kit_type(g, n, i);
        for (int32_t d = 0; t && d < t->rank; d++) l->in[i][d].label = (int8_t)(d + 1);
    }
    for (int32_t o = 0; o < n->n_out; o++)
        for (int32_t d = 0; d < n->out[o].rank; d++) l->out[o][d].label = (int8_t)(d + 1);
}

void kit_labels_rows(const graph *g, const node *n, labels *l) {
    kit_labels_equal(g, n, l);
    l->how[kit_type(g, n, 0)->rank] = LABEL_WHOLE;
}

int32_t kit_sample_dims(sample *s, int32_t low_rank, int32_t high_rank, int64_t most,
                        int64_t *dim) {
    int32_t rank = (int32_t)sample_int(s, low_rank, high_rank);
    for (int32_t d = 0; d < rank; d++)
        dim[d] = !s->even && sample_int(s, 0, 5) == 0 ? 1 : sample_extent(s, 1, most);
    return rank;
}

status kit_sampled(sample *s, value y) {
    s->y = y;
    return graph_status(s->g);
}
