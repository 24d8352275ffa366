/* y = mul x + add, with constants. */
#include "ops/scale.h"
#include "ops/kit/elementwise.h"

static void reference(const call *c) {
    const scale_params *p = c->params;
    int64_t count = kit_elems(&c->out[0]);
    for (int64_t i = 0; i < count; i++) kit_out(c, 0)[i] = p->mul * kit_in(c, 0)[i] + p->add;
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const scale_params *p = value_node(g, y)->params;
    if (want & 1) dx[0] = kit_scaled(g, dy[0], p->mul);
}

static void count(const call *c, cost *out) {
    kit_cost(c, 2 * (double)kit_elems(&c->out[0]), out);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, s->even ? 1 : 0, 3, 6, dim);
    value x = sample_floats(s, rank, dim, -2, 2);
    return kit_sampled(s, build_scale(s->g, x, sample_real(s, -2, 2), sample_real(s, -2, 2)));
}

value build_scale(graph *g, value x, double mul, double add) {
    return graph_add(g, &op_scale, &(scale_params){mul, add}, 1, &x);
}

static const field fields[] = {
    FIELD(scale_params, mul, FIELD_DOUBLE), FIELD(scale_params, add, FIELD_DOUBLE), {0}};
const op_def op_scale = {
    .name = "scale",
    .help = "y = mul x + add",
    .params_bytes = sizeof(scale_params),
    .fields = fields,
    .n_in = 1,
    .n_out = 1,
    .may_overwrite = 1,
    .shape = unary_shape,
    .labels = kit_labels_equal,
    .reference = reference,
    .gradient = gradient,
    .cost = count,
    .sample = draw,
};
