/* What embedding, gather, take and their opposites share. */
#include "ops/kit/pick.h"
#include <string.h>

void pick_rows(const call *c) {
    int64_t rows = c->in[0].dim[0], width = rows ? kit_elems(&c->in[0]) / rows : 0;
    for (int64_t i = 0; i < c->in[1].dim[0]; i++) {
        int64_t id = kit_id(&c->in[1], i);
        double *y = kit_out(c, 0) + i * width;
        if (id < 0 || id >= rows)
            memset(y, 0, (size_t)width * sizeof *y);
        else
            memcpy(y, kit_in(c, 0) + id * width, (size_t)width * sizeof *y);
    }
}

status pick_rows_shape(const graph *g, const node *n, type *out) {
    out[0] = *kit_type(g, n, 0);
    TRY(kit_need_rank(g, n, 1, 1));
    if (out[0].rank < 1) return op_fail(g, n, "a scalar has no rows");
    out[0].dim[0] = kit_type(g, n, 1)->dim[0];
    return STATUS_OK;
}

void pick_rows_labels(const graph *g, const node *n, labels *l) {
    l->in[1][0].label = l->out[0][0].label = 1;
    const type *x = kit_type(g, n, 0);
    for (int32_t d = 1; d < x->rank; d++) {
        int64_t grain = d == x->rank - 1 ? x->format->block_elems : 1;
        l->in[0][d] = l->out[0][d] = (axis_label){(int8_t)(d + 1), grain};
    }
}

void pick_cost(const call *c, cost *out) {
    kit_cost_copy(c, out);
    out->bytes += (double)(kit_elems(&c->in[1]) * c->in[1].format->block_bytes);
}

value pick_sample_ids(sample *s, int32_t rank, const int64_t *dim, int64_t below) {
    value v = sample_ids(s, rank, dim, below);
    if (value_absent(v)) return v;
    sample_input *in = &s->inputs[s->n_inputs - 1];
    for (int64_t i = 0; i < in->count; i++) {
        int64_t odd = sample_int(s, 0, 9);
        if (odd == 0) in->ids[i] = -1;
        if (odd == 1) in->ids[i] = below;
    }
    return v;
}

status pick_need_rows(const graph *g, const node *n, const type *x, const type *ids) {
    bool fits = x->rank >= 1 && (ids->rank == x->rank || ids->rank == x->rank - 1);
    for (int32_t d = 0; d < x->rank - 1 && fits; d++) fits = extent_same(x->dim[d], ids->dim[d]);
    return fits ? STATUS_OK : op_fail(g, n, "ids (operand 1) do not belong to rows of that shape");
}

void pick_labels_within(const type *x, axis_label *in_x, const type *ids, axis_label *in_ids,
                        axis_label *picked, labels *l) {
    for (int32_t d = 0; d < ids->rank; d++) {
        in_ids[d].label = picked[d].label = (int8_t)(d + 1);
        if (d < x->rank - 1) in_x[d].label = (int8_t)(d + 1);
    }
    in_x[x->rank - 1].label = (int8_t)(x->rank + 1);
    l->how[x->rank + 1] = LABEL_WHOLE;
}
