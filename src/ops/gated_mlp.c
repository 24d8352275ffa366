/* y = act(gate) up. */
#include "ops/binary.h"
#include "ops/kit/gate.h"

static void reference(const call *c) {
    int32_t act = ((const gated_mlp_params *)c->params)->act;
    for (int64_t i = 0; i < kit_elems(&c->out[0]); i++)
        kit_out(c, 0)[i] = act_at(act, kit_in(c, GATED_MLP_GATE)[i]) * kit_in(c, GATED_MLP_UP)[i];
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const node *n = value_node(g, y);
    value in[3] = {n->in[GATED_MLP_GATE], n->in[GATED_MLP_UP], dy[0]};
    value back = graph_add(g, &op_gated_mlp_bwd, n->params, 3, in);
    for (int32_t i = 0; i < 2 && !value_absent(back); i++)
        if (kit_wants(want, i)) dx[i] = kit_at(back, i);
}

static void expand(graph *g, value y, const value *in, value *out) {
    const gated_mlp_params *p = value_node(g, y)->params;
    value gate = build_act(g, p->act, in[GATED_MLP_GATE]);
    out[0] = kit_format_like(g, build_mul(g, gate, in[GATED_MLP_UP]), y);
}

static status draw(sample *s) {
    return gate_sample(s, &op_gated_mlp);
}

value build_gated_mlp(graph *g, value gate, value up, matmul_act act) {
    return graph_add(g, &op_gated_mlp, &(gated_mlp_params){act}, 2, (value[]){gate, up});
}

const op_def op_gated_mlp = {
    .name = "gated_mlp",
    .help = "y = act(gate) up",
    .params_bytes = sizeof(gated_mlp_params),
    .fields = gate_fields,
    .n_in = 2,
    .n_out = 1,
    .linear = 1 << GATED_MLP_UP,
    .may_overwrite = 3,
    .shape = gate_shape,
    .labels = kit_labels_equal,
    .reference = reference,
    .gradient = gradient,
    .expand = expand,
    .cost = gate_cost,
    .sample = draw,
};
