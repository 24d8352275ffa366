/* dgate = dy up act'(gate),  dup = dy act(gate). */
#include "ops/binary.h"
#include "ops/kit/gate.h"

static void reference(const call *c) {
    int32_t act = ((const gated_mlp_params *)c->params)->act;
    for (int64_t i = 0; i < kit_elems(&c->in[0]); i++) {
        double gate = kit_in(c, GATED_MLP_GATE)[i], up = kit_in(c, GATED_MLP_UP)[i];
        double dy = kit_in(c, GATED_MLP_DY)[i];
        if (kit_out(c, 0)) kit_out(c, 0)[i] = dy * up * act_slope_at(act, gate);
        if (kit_out(c, 1)) kit_out(c, 1)[i] = dy * act_at(act, gate);
    }
}

static void expand(graph *g, value y, const value *in, value *out) {
    const gated_mlp_params *p = value_node(g, y)->params;
    value gate = in[GATED_MLP_GATE], up = in[GATED_MLP_UP], dy = in[GATED_MLP_DY];
    out[0] = kit_format_like(g, build_act_back(g, p->act, gate, build_mul(g, dy, up)), y);
    out[1] = kit_format_like(g, build_mul(g, dy, build_act(g, p->act, gate)), kit_at(y, 1));
}

static status draw(sample *s) {
    return gate_sample(s, &op_gated_mlp_bwd);
}

const op_def op_gated_mlp_bwd = {
    .name = "gated_mlp_bwd",
    .help = "dgate, dup of gated_mlp",
    .params_bytes = sizeof(gated_mlp_params),
    .fields = gate_fields,
    .n_in = 3,
    .n_out = 2,
    .linear = 1 << GATED_MLP_DY,
    .may_overwrite = 7,
    .shape = gate_shape,
    .labels = kit_labels_equal,
    .reference = reference,
    .expand = expand,
    .cost = gate_cost,
    .sample = draw,
};
