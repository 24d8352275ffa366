/* y = 1 where a < b (or <=, =) holds, else 0. Flat wherever it has a derivative, so nothing flows
 * back. */
#include "ops/kit/elementwise.h"

static double lt(double a, double b) {
    return a < b;
}
static double le(double a, double b) {
    return a <= b;
}
static double eq(double a, double b) {
    return a == b;
}

static void reference(const call *c) {
    static double (*const kinds[])(double, double) = {lt, le, eq};
    binary_reference(c, kinds[((const compare_params *)c->params)->kind]);
}

static status shape(const graph *g, const node *n, type *out) {
    int32_t kind = ((const compare_params *)n->params)->kind;
    if (kind < COMPARE_LT || kind > COMPARE_EQ)
        return op_fail(g, n, "there is no comparison %d", kind);
    return broadcast_shape(g, n, out);
}

static status draw(sample *s) {
    value in[2];
    broadcast_sample(s, 2, -2, 2, in);
    if (sample_int(s, 0, 3) == 0) in[1] = in[0];
    return kit_sampled(s, build_compare(s->g, (compare_kind)sample_int(s, 0, 2), in[0], in[1]));
}

value build_compare(graph *g, compare_kind kind, value a, value b) {
    return graph_add(g, &op_compare, &(compare_params){kind}, 2, (value[]){a, b});
}

static const field fields[] = {FIELD(compare_params, kind, FIELD_INT32), {0}};
const op_def op_compare = {
    .name = "compare",
    .help = "y = a < b ? 1 : 0 (kinds: <, <=, =)",
    .params_bytes = sizeof(compare_params),
    .fields = fields,
    .n_in = 2,
    .n_out = 1,
    .no_grad_in = 3,
    .may_overwrite = 3,
    .shape = shape,
    .labels = broadcast_labels,
    .reference = reference,
    .cost = kit_cost_each,
    .sample = draw,
};
