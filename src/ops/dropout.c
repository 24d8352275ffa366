/* Dropout by counted random numbers. It is linear, and its gradient is itself. Elements are known
 * by their place in the whole tensor, so no axis can be split. */
#include "ops/dropout.h"
#include "ops/kit/kit.h"

static status shape(const graph *g, const node *n, type *out) {
    const dropout_params *p = n->params;
    TRY(kit_need_floats(g, n, 0));
    if (!(p->p >= 0 && p->p < 1)) return op_fail(g, n, "p must be in 0 <= p < 1, not %g", p->p);
    out[0] = *kit_type(g, n, 0);
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    kit_labels_equal(g, n, l);
    for (int32_t d = 0; d < MAX_RANK; d++) l->how[d + 1] = LABEL_WHOLE;
}

static void reference(const call *c) {
    const dropout_params *p = c->params;
    for (int64_t i = 0; i < kit_elems(&c->out[0]); i++)
        kit_out(c, 0)[i] = dropout_keeps(p, c->step_seed, i) ? kit_in(c, 0)[i] / (1 - p->p) : 0;
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const dropout_params *p = value_node(g, y)->params;
    if (want & 1) dx[0] = build_dropout(g, dy[0], p->p, p->stream);
}

static void count(const call *c, cost *out) {
    kit_cost(c, 20 * (double)kit_elems(&c->out[0]), out);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 6, dim);
    value x = sample_floats(s, rank, dim, -1, 1);
    double p = sample_int(s, 0, 3) ? sample_real(s, 0, 0.9) : 0;
    return kit_sampled(s, build_dropout(s->g, x, p, sample_int(s, 0, 100)));
}

value build_dropout(graph *g, value x, double p, int64_t stream) {
    return graph_add(g, &op_dropout, &(dropout_params){p, stream}, 1, &x);
}

static const field fields[] = {
    FIELD(dropout_params, p, FIELD_DOUBLE), FIELD(dropout_params, stream, FIELD_INT64), {0}};
const op_def op_dropout = {
    .name = "dropout",
    .help = "y = x / (1 - p) with probability 1 - p, else 0",
    .params_bytes = sizeof(dropout_params),
    .fields = fields,
    .n_in = 1,
    .n_out = 1,
    .linear = 1,
    .may_overwrite = 1,
    .random = true,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = count,
    .sample = draw,
};
