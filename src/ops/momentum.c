/* Gradient descent with momentum (the equations are in ops/optimiser.h). */
#include "ops/kit/update.h"

static status shape(const graph *g, const node *n, type *out) {
    return update_shape(g, n, MOMENTUM_LR, out);
}

static void reference(const call *c) {
    const momentum_params *p = c->params;
    double lr = update_scalar(c, MOMENTUM_LR);
    for (int64_t i = 0; i < kit_elems(&c->out[0]); i++) {
        double w = kit_in(c, MOMENTUM_W)[i];
        double g = update_gradient(c, MOMENTUM_GRAD, MOMENTUM_SCALE, i) + p->decay * w;
        double m = p->mu * kit_in(c, MOMENTUM_M)[i] + g;
        if (kit_out(c, 1)) kit_out(c, 1)[i] = m;
        if (kit_out(c, 0)) kit_out(c, 0)[i] = w - lr * (p->nesterov ? g + p->mu * m : m);
    }
}

static void count(const call *c, cost *out) {
    kit_cost(c, 8 * (double)kit_elems(&c->out[0]), out);
}

static status draw(sample *s) {
    momentum_params p = {sample_real(s, 0.5, 0.99), sample_real(s, 0, 0.1), sample_int(s, 0, 1)};
    value in[MOMENTUM_OPERANDS];
    update_sample(s, MOMENTUM_LR, in);
    in[MOMENTUM_LR] = update_sample_scalar(s, 0.01, 0.1, false);
    in[MOMENTUM_SCALE] = update_sample_scalar(s, 0.1, 1, true);
    return kit_sampled(s, build_momentum(s->g, &p, in));
}

value build_momentum(graph *g, const momentum_params *p, const value in[MOMENTUM_OPERANDS]) {
    return graph_add(g, &op_momentum, p, MOMENTUM_OPERANDS, in);
}

static const field fields[] = {FIELD(momentum_params, mu, FIELD_DOUBLE),
                               FIELD(momentum_params, decay, FIELD_DOUBLE),
                               FIELD(momentum_params, nesterov, FIELD_BOOL),
                               {0}};
const op_def op_momentum = {
    .name = "momentum",
    .help = "m = mu m + g + decay w;  w -= lr m",
    .params_bytes = sizeof(momentum_params),
    .fields = fields,
    .n_in = MOMENTUM_OPERANDS,
    .n_out = 2,
    .optional = 1 << MOMENTUM_SCALE,
    .writes = {1 + MOMENTUM_W, 1 + MOMENTUM_M},
    .no_grad = true,
    .precision = PRECISION_WIDE,
    .shape = shape,
    .labels = kit_labels_equal,
    .reference = reference,
    .cost = count,
    .sample = draw,
};
