/* Running sums along an axis. The gradient runs the other way. */
#include "ops/cumsum.h"
#include "ops/kit/lane.h"

static status shape(const graph *g, const node *n, type *out) {
    int32_t axis = ((const cumsum_params *)n->params)->axis;
    TRY(kit_need_floats(g, n, 0));
    out[0] = *kit_type(g, n, 0);
    return axis >= 0 && axis < out[0].rank ? STATUS_OK : op_fail(g, n, "there is no axis %d", axis);
}

static void label(const graph *g, const node *n, labels *l) {
    lane_labels(g, n, ((const cumsum_params *)n->params)->axis, l);
}

static void reference(const call *c) {
    const cumsum_params *p = c->params;
    kit_split x = kit_split_at(&c->in[0], p->axis);
    for (int64_t at = 0; at < x.outer * x.inner; at++) {
        int64_t base = at / x.inner * x.axis * x.inner + at % x.inner;
        double sum = 0;
        for (int64_t k = 0; k < x.axis; k++) {
            int64_t i = base + (p->reverse ? x.axis - 1 - k : k) * x.inner;
            sum += kit_in(c, 0)[i];
            kit_out(c, 0)[i] = sum;
        }
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const cumsum_params *p = value_node(g, y)->params;
    if (want & 1) dx[0] = build_cumsum(g, dy[0], p->axis, !p->reverse);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 4, 6, dim);
    value x = sample_floats(s, rank, dim, -1, 1);
    bool reverse = sample_int(s, 0, 1);
    return kit_sampled(s, build_cumsum(s->g, x, (int32_t)sample_int(s, 0, rank - 1), reverse));
}

value build_cumsum(graph *g, value x, int32_t axis, bool reverse) {
    return graph_add(g, &op_cumsum, &(cumsum_params){axis, reverse}, 1, &x);
}

static const field fields[] = {
    FIELD(cumsum_params, axis, FIELD_INT32), FIELD(cumsum_params, reverse, FIELD_BOOL), {0}};
const op_def op_cumsum = {
    .name = "cumsum",
    .help = "y[i] = sum of x[0 .. i] along an axis",
    .params_bytes = sizeof(cumsum_params),
    .fields = fields,
    .n_in = 1,
    .n_out = 1,
    .linear = 1,
    .may_overwrite = 1,
    .precision = PRECISION_WIDE,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = kit_cost_each,
    .sample = draw,
};
