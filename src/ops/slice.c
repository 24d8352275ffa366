/* y = positions start .. start + length - 1 of one axis of x. Splitting a tensor is slices. */
#include "ops/kit/lane.h"
#include "ops/shape.h"

static status shape(const graph *g, const node *n, type *out) {
    const slice_params *p = n->params;
    TRY(kit_need_floats(g, n, 0));
    TRY(lane_need_constant(g, n, 0, p->axis));
    out[0] = *kit_type(g, n, 0);
    int64_t extent = out[0].dim[p->axis].add;
    if (p->start < 0 || p->length < 0 || p->length > extent || p->start > extent - p->length)
        return op_fail(g, n, "%lld elements from %lld on are not within axis %d",
                       (long long)p->length, (long long)p->start, p->axis);
    out[0].dim[p->axis] = extent_of(p->length);
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    lane_labels(g, n, ((const slice_params *)n->params)->axis, l);
}

static void reference(const call *c) {
    const slice_params *p = c->params;
    lane_copy(&c->in[0], p->start, &c->out[0], 0, p->length, p->axis);
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const slice_params *p = value_node(g, y)->params;
    if (want & 1) dx[0] = build_place(g, dy[0], value_node(g, y)->in[0], p->axis, p->start);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 4, 6, dim), axis = (int32_t)sample_int(s, 0, rank - 1);
    int64_t start = sample_int(s, 0, dim[axis] - 1), length = sample_int(s, 1, dim[axis] - start);
    return kit_sampled(s,
                       build_slice(s->g, sample_floats(s, rank, dim, -1, 1), axis, start, length));
}

value build_slice(graph *g, value x, int32_t axis, int64_t start, int64_t length) {
    return graph_add(g, &op_slice, &(slice_params){axis, start, length}, 1, &x);
}

static const field fields[] = {FIELD(slice_params, axis, FIELD_INT32),
                               FIELD(slice_params, start, FIELD_INT64),
                               FIELD(slice_params, length, FIELD_INT64),
                               {0}};
const op_def op_slice = {
    .name = "slice",
    .help = "y = x[start .. start + length) along an axis",
    .params_bytes = sizeof(slice_params),
    .fields = fields,
    .n_in = 1,
    .n_out = 1,
    .linear = 1,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = kit_cost_copy,
    .sample = draw,
};
