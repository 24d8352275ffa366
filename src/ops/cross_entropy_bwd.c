/* The gradient of cross_entropy (ops/cross_entropy.h), from its lse; it may stand where the logits
 * were. */
#include "ops/binary.h"
#include "ops/fill.h"
#include "ops/gather.h"
#include "ops/kit/entropy.h"
#include "ops/reduce.h"
#include "ops/scale.h"
#include "ops/unary.h"
#include <math.h>

static status shape(const graph *g, const node *n, type *out) {
    TRY(entropy_check(g, n));
    out[0] = *kit_type(g, n, CROSS_ENTROPY_LOGITS);
    return STATUS_OK;
}

static void reference(const call *c) {
    const cross_entropy_params *p = c->params;
    int64_t columns = c->in[CROSS_ENTROPY_LOGITS].dim[1];
    const double *weights = kit_in(c, CROSS_ENTROPY_WEIGHTS);
    const double *dloss = kit_in(c, CROSS_ENTROPY_DLOSS), *dlse = kit_in(c, CROSS_ENTROPY_DLSE);
    for (int64_t r = 0; r < c->in[CROSS_ENTROPY_LOGITS].dim[0]; r++) {
        const double *x = kit_in(c, CROSS_ENTROPY_LOGITS) + r * columns;
        double *dx = kit_out(c, 0) + r * columns, lse = kit_in(c, CROSS_ENTROPY_LSE)[r];
        int64_t target = kit_id(&c->in[CROSS_ENTROPY_TARGETS], r);
        bool counts = target >= 0 && target < columns;
        double pull = counts && dloss ? dloss[r] * (weights ? weights[r] : 1) : 0;
        double spread = pull * (1 + 2 * p->z * lse) + (dlse ? dlse[r] : 0);
        for (int64_t k = 0; k < columns; k++)
            dx[k] = spread * exp(x[k] - lse) - (k == target ? pull : 0);
    }
}

static void expand(graph *g, value y, const value *in, value *out) {
    const cross_entropy_params *p = value_node(g, y)->params;
    value lse = in[CROSS_ENTROPY_LSE], targets = in[CROSS_ENTROPY_TARGETS];
    value dloss = in[CROSS_ENTROPY_DLOSS], dlse = in[CROSS_ENTROPY_DLSE];
    value weights = in[CROSS_ENTROPY_WEIGHTS], spread = dlse, pull = NO_VALUE;
    value x = kit_format_like(g, in[CROSS_ENTROPY_LOGITS], lse);
    if (!value_absent(dloss)) {
        pull = entropy_masked(g, dloss, targets, x);
        if (!value_absent(weights)) pull = build_mul(g, pull, weights);
        value more = build_mul(g, pull, build_scale(g, lse, 2 * p->z, 1));
        spread = value_absent(dlse) ? more : build_add(g, more, dlse);
    }
    value share = build_exp(g, build_sub(g, x, build_broadcast_to(g, lse, x, 2)));
    if (value_absent(spread)) spread = build_fill(g, lse, 0);
    value v = build_mul(g, share, build_broadcast_to(g, spread, x, 2));
    if (!value_absent(pull)) v = build_sub(g, v, build_put(g, pull, targets, x));
    out[0] = kit_format_like(g, v, y);
}

static void count(const call *c, cost *out) {
    kit_cost(c, 10 * (double)kit_elems(&c->out[0]), out);
}

static status draw(sample *s) {
    cross_entropy_params p;
    int64_t tokens;
    value in[CROSS_ENTROPY_BWD_OPERANDS];
    entropy_sample(s, &p, &tokens, in);
    in[CROSS_ENTROPY_LSE] = sample_floats(s, 1, &tokens, 2, 4);
    for (int i = CROSS_ENTROPY_DLOSS; i <= CROSS_ENTROPY_DLSE; i++)
        in[i] = sample_int(s, 0, 3) ? sample_floats(s, 1, &tokens, -1, 1) : NO_VALUE;
    return kit_sampled(s,
                       graph_add(s->g, &op_cross_entropy_bwd, &p, CROSS_ENTROPY_BWD_OPERANDS, in));
}

const op_def op_cross_entropy_bwd = {
    .name = "cross_entropy_bwd",
    .help = "dlogits of cross_entropy",
    .params_bytes = sizeof(cross_entropy_params),
    .fields = entropy_fields,
    .n_in = CROSS_ENTROPY_BWD_OPERANDS,
    .n_out = 1,
    .optional = 1 << CROSS_ENTROPY_WEIGHTS | 1 << CROSS_ENTROPY_DLOSS | 1 << CROSS_ENTROPY_DLSE,
    .index_in = 1 << CROSS_ENTROPY_TARGETS,
    .no_grad_in = 1 << CROSS_ENTROPY_WEIGHTS,
    .may_overwrite = 1 << CROSS_ENTROPY_LOGITS,
    .precision = PRECISION_WIDE,
    .shape = shape,
    .labels = entropy_labels,
    .reference = reference,
    .expand = expand,
    .cost = count,
    .sample = draw,
};
