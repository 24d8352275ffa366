/* dx = dy act'(x). */
#include "ops/act_bwd.h"
#include "ops/kit/act.h"
#include "ops/kit/kit.h"

static const field fields[] = {FIELD(act_bwd_params, act, FIELD_INT32), {0}};

static int32_t act_of(const void *params) {
    return ((const act_bwd_params *)params)->act;
}

static status shape(const graph *g, const node *n, type *out) {
    int32_t act = act_of(n->params);
    if (act < 0 || act >= ACT_KINDS) return op_fail(g, n, "there is no activation %d", act);
    for (int32_t i = 0; i < n->n_in; i++) {
        TRY(kit_need_floats(g, n, i));
        TRY(kit_need_same(g, n, 0, i));
    }
    out[0] = *kit_type(g, n, ACT_BWD_X);
    return STATUS_OK;
}

static void reference(const call *c) {
    for (int64_t i = 0; i < kit_elems(&c->out[0]); i++)
        kit_out(c, 0)[i] =
            kit_in(c, ACT_BWD_DY)[i] * act_slope_at(act_of(c->params), kit_in(c, ACT_BWD_X)[i]);
}

static void expand(graph *g, value y, const value *in, value *out) {
    int32_t act = act_of(value_node(g, y)->params);
    out[0] = kit_format_like(g, build_act_back(g, act, in[ACT_BWD_X], in[ACT_BWD_DY]), y);
}

static void count(const call *c, cost *out) {
    kit_cost(c, (act_flops(act_of(c->params)) + 2) * (double)kit_elems(&c->out[0]), out);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 6, dim);
    value in[2];
    for (int32_t i = 0; i < 2; i++) in[i] = sample_floats(s, rank, dim, -3, 3);
    act_bwd_params p = {(int32_t)sample_int(s, 0, ACT_KINDS - 1)};
    return kit_sampled(s, graph_add(s->g, &op_act_bwd, &p, 2, in));
}

value build_act_bwd(graph *g, matmul_act act, value x, value dy) {
    return graph_add(g, &op_act_bwd, &(act_bwd_params){act}, 2, (value[]){x, dy});
}

const op_def op_act_bwd = {
    .name = "act_bwd",
    .help = "dx = dy act'(x)",
    .params_bytes = sizeof(act_bwd_params),
    .fields = fields,
    .n_in = 2,
    .n_out = 1,
    .linear = 1 << ACT_BWD_DY,
    .may_overwrite = 3,
    .shape = shape,
    .labels = kit_labels_equal,
    .reference = reference,
    .expand = expand,
    .cost = count,
    .sample = draw,
};
