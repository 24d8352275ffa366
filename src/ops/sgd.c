/* Plain gradient descent: g += decay w;  w -= lr g. */
#include "ops/kit/update.h"

static status shape(const graph *g, const node *n, type *out) {
    return update_shape(g, n, SGD_LR, out);
}

static void reference(const call *c) {
    const sgd_params *p = c->params;
    double lr = update_scalar(c, SGD_LR);
    for (int64_t i = 0; i < kit_elems(&c->out[0]); i++) {
        double w = kit_in(c, SGD_W)[i], g = update_gradient(c, SGD_GRAD, SGD_SCALE, i);
        kit_out(c, 0)[i] = w - lr * (g + p->decay * w);
    }
}

static void count(const call *c, cost *out) {
    kit_cost(c, 5 * (double)kit_elems(&c->out[0]), out);
}

static status draw(sample *s) {
    sgd_params p = {sample_int(s, 0, 1) ? 0 : sample_real(s, 0, 0.1)};
    value in[SGD_OPERANDS];
    update_sample(s, SGD_LR, in);
    in[SGD_LR] = update_sample_scalar(s, 0.01, 0.1, false);
    in[SGD_SCALE] = update_sample_scalar(s, 0.1, 1, true);
    return kit_sampled(s, build_sgd(s->g, &p, in));
}

value build_sgd(graph *g, const sgd_params *p, const value in[SGD_OPERANDS]) {
    return graph_add(g, &op_sgd, p, SGD_OPERANDS, in);
}

static const field fields[] = {FIELD(sgd_params, decay, FIELD_DOUBLE), {0}};
const op_def op_sgd = {
    .name = "sgd",
    .help = "w -= lr (g + decay w)",
    .params_bytes = sizeof(sgd_params),
    .fields = fields,
    .n_in = SGD_OPERANDS,
    .n_out = 1,
    .optional = 1 << SGD_SCALE,
    .writes = {1 + SGD_W},
    .no_grad = true,
    .precision = PRECISION_WIDE,
    .shape = shape,
    .labels = kit_labels_equal,
    .reference = reference,
    .cost = count,
    .sample = draw,
};
