/* Adam with decoupled weight decay (the equations are in ops/optimiser.h). */
#include "ops/kit/update.h"
#include <math.h>

static status shape(const graph *g, const node *n, type *out) {
    return update_shape(g, n, ADAMW_LR, out);
}

static void reference(const call *c) {
    const adamw_params *p = c->params;
    double lr = update_scalar(c, ADAMW_LR), step = (double)kit_id(&c->in[ADAMW_STEP], 0);
    double unbias_m = 1 / (1 - pow(p->beta1, step)), unbias_v = 1 / (1 - pow(p->beta2, step));
    for (int64_t i = 0; i < kit_elems(&c->out[0]); i++) {
        double w = kit_in(c, ADAMW_W)[i], g = update_gradient(c, ADAMW_GRAD, ADAMW_SCALE, i);
        double m = p->beta1 * kit_in(c, ADAMW_M)[i] + (1 - p->beta1) * g;
        double v = p->beta2 * kit_in(c, ADAMW_V)[i] + (1 - p->beta2) * g * g;
        double way = m * unbias_m / (sqrt(v * unbias_v) + p->eps);
        if (kit_out(c, 0)) kit_out(c, 0)[i] = w - lr * (p->decay * w + way);
        if (kit_out(c, 1)) kit_out(c, 1)[i] = m;
        if (kit_out(c, 2)) kit_out(c, 2)[i] = v;
    }
}

static void count(const call *c, cost *out) {
    kit_cost(c, 15 * (double)kit_elems(&c->out[0]), out);
}

static status draw(sample *s) {
    adamw_params p = {sample_real(s, 0.8, 0.95), sample_real(s, 0.9, 0.999), 1e-8,
                      sample_real(s, 0, 0.1)};
    value in[ADAMW_OPERANDS];
    update_sample(s, ADAMW_LR, in);
    in[ADAMW_LR] = update_sample_scalar(s, 0.01, 0.1, false);
    in[ADAMW_STEP] = sample_ids(s, 0, NULL, 100);
    if (!value_absent(in[ADAMW_STEP])) s->inputs[s->n_inputs - 1].ids[0]++;
    in[ADAMW_SCALE] = update_sample_scalar(s, 0.1, 1, true);
    return kit_sampled(s, build_adamw(s->g, &p, in));
}

value build_adamw(graph *g, const adamw_params *p, const value in[ADAMW_OPERANDS]) {
    return graph_add(g, &op_adamw, p, ADAMW_OPERANDS, in);
}

static const field fields[] = {FIELD(adamw_params, beta1, FIELD_DOUBLE),
                               FIELD(adamw_params, beta2, FIELD_DOUBLE),
                               FIELD(adamw_params, eps, FIELD_DOUBLE),
                               FIELD(adamw_params, decay, FIELD_DOUBLE),
                               {0}};
const op_def op_adamw = {
    .name = "adamw",
    .help = "w -= lr (decay w + m' / (sqrt(v') + eps)), with running means m of g and v of g^2",
    .params_bytes = sizeof(adamw_params),
    .fields = fields,
    .n_in = ADAMW_OPERANDS,
    .n_out = 3,
    .optional = 1 << ADAMW_SCALE,
    .index_in = 1 << ADAMW_STEP,
    .writes = {1 + ADAMW_W, 1 + ADAMW_M, 1 + ADAMW_V},
    .no_grad = true,
    .precision = PRECISION_WIDE,
    .shape = shape,
    .labels = kit_labels_equal,
    .reference = reference,
    .cost = count,
    .sample = draw,
};
