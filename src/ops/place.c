/* y = 0 in the shape of another tensor, with x from `start` on along one axis: the gradient of
 * slice. */
#include "ops/kit/lane.h"
#include "ops/shape.h"
#include <string.h>

static status shape(const graph *g, const node *n, type *out) {
    const place_params *p = n->params;
    const type *x = kit_type(g, n, 0), *like = kit_type(g, n, 1);
    TRY(kit_need_floats(g, n, 0));
    TRY(lane_need_constant(g, n, 0, p->axis));
    TRY(lane_need_constant(g, n, 1, p->axis));
    type fitted = *like;
    fitted.dim[p->axis] = x->dim[p->axis];
    if (!type_same_dims(&fitted, x) || p->start < 0 ||
        p->start > like->dim[p->axis].add - x->dim[p->axis].add)
        return op_fail(g, n, "operand 0 does not fit into operand 1 at %lld of axis %d",
                       (long long)p->start, p->axis);
    out[0] = *like;
    out[0].format = x->format;
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    lane_labels(g, n, ((const place_params *)n->params)->axis, l);
}

static void reference(const call *c) {
    const place_params *p = c->params;
    memset(c->out[0].data, 0, (size_t)kit_elems(&c->out[0]) * sizeof(double));
    lane_copy(&c->in[0], 0, &c->out[0], p->start, c->in[0].dim[p->axis], p->axis);
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const place_params *p = value_node(g, y)->params;
    const type *x = value_type(g, value_node(g, y)->in[0]);
    if (want & 1) dx[0] = build_slice(g, dy[0], p->axis, p->start, x->dim[p->axis].add);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 4, 6, dim), axis = (int32_t)sample_int(s, 0, rank - 1);
    value like = sample_floats(s, rank, dim, -1, 1);
    int64_t start = sample_int(s, 0, dim[axis] - 1);
    dim[axis] = sample_int(s, 1, dim[axis] - start);
    return kit_sampled(s, build_place(s->g, sample_floats(s, rank, dim, -1, 1), like, axis, start));
}

value build_place(graph *g, value x, value like, int32_t axis, int64_t start) {
    return graph_add(g, &op_place, &(place_params){axis, start}, 2, (value[]){x, like});
}

static const field fields[] = {
    FIELD(place_params, axis, FIELD_INT32), FIELD(place_params, start, FIELD_INT64), {0}};
const op_def op_place = {
    .name = "place",
    .help = "y = 0 but for y[start ..] = x along an axis",
    .params_bytes = sizeof(place_params),
    .fields = fields,
    .n_in = 2,
    .n_out = 1,
    .shape_only = 2,
    .no_grad_in = 2,
    .linear = 1,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = kit_cost_copy,
    .sample = draw,
};
