/* y = the operands one behind the other along an axis. */
#include "ops/kit/lane.h"
#include "ops/shape.h"

static status shape(const graph *g, const node *n, type *out) {
    const concat_params *p = n->params;
    int64_t total = 0;
    for (int32_t i = 0; i < n->n_in; i++) {
        TRY(kit_need_floats(g, n, i));
        TRY(lane_need_constant(g, n, i, p->axis));
        type t = *kit_type(g, n, i);
        if (add_overflows(total, t.dim[p->axis].add, &total))
            return op_fail(g, n, "axis %d grows too long", p->axis);
        if (i == 0) out[0] = t;
        out[0].format = kit_wider(out[0].format, t.format);
        t.dim[p->axis] = out[0].dim[p->axis];
        if (!type_same_dims(&t, &out[0]))
            return op_fail(g, n, "operands 0 and %d differ in other axes than %d", i, p->axis);
    }
    out[0].dim[p->axis] = extent_of(total);
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    lane_labels(g, n, ((const concat_params *)n->params)->axis, l);
}

static void reference(const call *c) {
    const concat_params *p = c->params;
    int64_t at = 0;
    for (int32_t i = 0; i < c->n_in; i++) {
        lane_copy(&c->in[i], 0, &c->out[0], at, c->in[i].dim[p->axis], p->axis);
        at += c->in[i].dim[p->axis];
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const node *n = value_node(g, y);
    const concat_params *p = n->params;
    int64_t at = 0;
    for (int32_t i = 0; i < n->n_in; i++) {
        int64_t length = value_type(g, n->in[i])->dim[p->axis].add;
        if (kit_wants(want, i))
            dx[i] = kit_format_like(g, build_slice(g, dy[0], p->axis, at, length), n->in[i]);
        at += length;
    }
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 4, 5, dim), axis = (int32_t)sample_int(s, 0, rank - 1);
    int32_t count = (int32_t)sample_int(s, 1, 4);
    value in[4];
    for (int32_t i = 0; i < count; i++) {
        dim[axis] = sample_int(s, 1, 4);
        in[i] = sample_floats(s, rank, dim, -1, 1);
    }
    return kit_sampled(s, build_concat(s->g, count, in, axis));
}

value build_concat(graph *g, int32_t n_in, const value *in, int32_t axis) {
    return graph_add(g, &op_concat, &(concat_params){axis}, n_in, in);
}

static const field fields[] = {FIELD(concat_params, axis, FIELD_INT32), {0}};
const op_def op_concat = {
    .name = "concat",
    .help = "y = operands one behind the other along an axis",
    .params_bytes = sizeof(concat_params),
    .fields = fields,
    .n_in = -1,
    .n_out = 1,
    .linear = ~0u,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = kit_cost_copy,
    .sample = draw,
};
