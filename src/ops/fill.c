/* y[..] = number, in the shape of an operand whose contents are not read. */
#include "ops/fill.h"

static status shape(const graph *g, const node *n, type *out) {
    out[0] = *value_type(g, n->in[0]);
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    for (int32_t d = 0; d < value_type(g, n->in[0])->rank; d++)
        l->in[0][d] = l->out[0][d] = (axis_label){.label = (int8_t)(d + 1)};
}

static void reference(const call *c) {
    const fill_params *p = c->params;
    int64_t count = 1;
    for (int32_t d = 0; d < c->out[0].rank; d++) count *= c->out[0].dim[d];
    double *y = c->out[0].data;
    for (int64_t i = 0; i < count; i++) y[i] = p->number;
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    (void)g, (void)y, (void)dy, (void)want, (void)dx; /* the operand's contents do not matter */
}

static void count_cost(const call *c, cost *out) {
    int64_t rows = 1;
    for (int32_t d = 0; d + 1 < c->out[0].rank; d++) rows *= c->out[0].dim[d];
    int64_t row = c->out[0].rank ? c->out[0].dim[c->out[0].rank - 1] : 1;
    out->bytes = (double)(rows * num_row_bytes(c->out[0].format, row));
}

static status draw(sample *s) {
    int64_t dim[2] = {sample_extent(s, 1, 5), sample_extent(s, 1, 9)};
    s->y = build_fill(s->g, sample_floats(s, 2, dim, -1, 1), sample_real(s, -2, 2));
    return graph_status(s->g);
}

static const field fields[] = {FIELD(fill_params, number, FIELD_DOUBLE), {0}};

const op_def op_fill = {
    .name = "fill",
    .help = "y = number, in the shape of the operand",
    .params_bytes = sizeof(fill_params),
    .fields = fields,
    .n_in = 1,
    .n_out = 1,
    .shape_only = 1,
    .no_grad_in = 1,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = count_cost,
    .sample = draw,
};

value build_fill(graph *g, value like, double number) {
    return graph_add(g, &op_fill, &(fill_params){number}, 1, &like);
}
