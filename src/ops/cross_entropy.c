/* The loss of predicting one class a row (the equations are in ops/cross_entropy.h). */
#include "ops/binary.h"
#include "ops/gather.h"
#include "ops/kit/entropy.h"
#include "ops/kit/soft.h"
#include "ops/reduce.h"
#include "ops/scale.h"
#include "ops/unary.h"

static status shape(const graph *g, const node *n, type *out) {
    TRY(entropy_check(g, n));
    const type *logits = kit_type(g, n, CROSS_ENTROPY_LOGITS);
    out[0] = out[1] = type_of(kit_wider(num_find("f32"), logits->format), 1, logits->dim);
    return STATUS_OK;
}

static void reference(const call *c) {
    const cross_entropy_params *p = c->params;
    int64_t columns = c->in[CROSS_ENTROPY_LOGITS].dim[1];
    const double *weights = kit_in(c, CROSS_ENTROPY_WEIGHTS);
    for (int64_t r = 0; r < c->in[CROSS_ENTROPY_LOGITS].dim[0]; r++) {
        const double *x = kit_in(c, CROSS_ENTROPY_LOGITS) + r * columns;
        double lse = soft_lse(x, columns);
        int64_t target = kit_id(&c->in[CROSS_ENTROPY_TARGETS], r);
        bool counts = target >= 0 && target < columns;
        double loss = counts ? lse - x[target] + p->z * lse * lse : 0;
        if (kit_out(c, 0)) kit_out(c, 0)[r] = counts && weights ? weights[r] * loss : loss;
        if (kit_out(c, 1)) kit_out(c, 1)[r] = lse;
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const node *n = value_node(g, y);
    value in[CROSS_ENTROPY_BWD_OPERANDS] = {n->in[CROSS_ENTROPY_LOGITS],
                                            n->in[CROSS_ENTROPY_TARGETS],
                                            n->in[CROSS_ENTROPY_WEIGHTS],
                                            kit_at(y, 1),
                                            dy[0],
                                            dy[1]};
    if (want & 1)
        dx[0] = graph_add(g, &op_cross_entropy_bwd, n->params, CROSS_ENTROPY_BWD_OPERANDS, in);
}

static void expand(graph *g, value y, const value *in, value *out) {
    const cross_entropy_params *p = value_node(g, y)->params;
    value x = kit_format_like(g, in[CROSS_ENTROPY_LOGITS], y);
    value targets = in[CROSS_ENTROPY_TARGETS], weights = in[CROSS_ENTROPY_WEIGHTS];
    value top = build_amax(g, x, 2, false);
    value shifted = build_sub(g, x, build_broadcast_to(g, top, x, 2));
    value lse = build_add(g, build_log(g, build_sum(g, build_exp(g, shifted), 2, false)), top);
    value penalised = build_add(g, lse, build_scale(g, build_square(g, lse), p->z, 0));
    value loss = build_sub(g, entropy_masked(g, penalised, targets, x), build_take(g, x, targets));
    if (!value_absent(weights)) loss = build_mul(g, loss, weights);
    out[0] = kit_format_like(g, loss, y);
    out[1] = lse;
}

static void count(const call *c, cost *out) {
    kit_cost(c, 10 * (double)kit_elems(&c->in[CROSS_ENTROPY_LOGITS]), out);
}

static status draw(sample *s) {
    cross_entropy_params p;
    int64_t tokens;
    value in[CROSS_ENTROPY_OPERANDS];
    entropy_sample(s, &p, &tokens, in);
    return kit_sampled(s, graph_add(s->g, &op_cross_entropy, &p, CROSS_ENTROPY_OPERANDS, in));
}

value build_cross_entropy(graph *g, value logits, value targets, value weights, double z) {
    return graph_add(g, &op_cross_entropy, &(cross_entropy_params){z}, CROSS_ENTROPY_OPERANDS,
                     (value[]){logits, targets, weights});
}

const op_def op_cross_entropy = {
    .name = "cross_entropy",
    .help = "loss = weight (lse - logits[target] + z lse^2), and lse",
    .params_bytes = sizeof(cross_entropy_params),
    .fields = entropy_fields,
    .n_in = CROSS_ENTROPY_OPERANDS,
    .n_out = 2,
    .optional = 1 << CROSS_ENTROPY_WEIGHTS,
    .index_in = 1 << CROSS_ENTROPY_TARGETS,
    .no_grad_in = 1 << CROSS_ENTROPY_WEIGHTS,
    .precision = PRECISION_WIDE,
    .narrow_in = 1 << CROSS_ENTROPY_LOGITS,
    .shape = shape,
    .labels = entropy_labels,
    .reference = reference,
    .gradient = gradient,
    .expand = expand,
    .cost = count,
    .sample = draw,
};
