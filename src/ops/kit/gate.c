/* What gated_mlp and its backward share. */
#include "ops/kit/gate.h"

const field gate_fields[] = {FIELD(gated_mlp_params, act, FIELD_INT32), {0}};

status gate_shape(const graph *g, const node *n, type *out) {
    int32_t act = ((const gated_mlp_params *)n->params)->act;
    if (act < 0 || act >= ACT_KINDS) return op_fail(g, n, "there is no activation %d", act);
    for (int32_t i = 0; i < n->n_in; i++) {
        TRY(kit_need_floats(g, n, i));
        TRY(kit_need_same(g, n, 0, i));
    }
    for (int32_t o = 0; o < n->n_out; o++) out[o] = *kit_type(g, n, o);
    return STATUS_OK;
}

void gate_cost(const call *c, cost *out) {
    double each = act_flops(((const gated_mlp_params *)c->params)->act);
    kit_cost(c, (double)c->n_out * (each + 2) * (double)kit_elems(&c->in[0]), out);
}

status gate_sample(sample *s, const op_def *op) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 6, dim);
    value in[3];
    for (int32_t i = 0; i < op->n_in; i++) in[i] = sample_floats(s, rank, dim, -2, 2);
    gated_mlp_params p = {(int32_t)sample_int(s, 0, ACT_KINDS - 1)};
    return kit_sampled(s, graph_add(s->g, op, &p, op->n_in, in));
}
