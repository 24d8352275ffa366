/* Ops whose output is their operand in another format. */
#include "ops/kit/convert.h"
#include <string.h>

status convert_shape(const graph *g, const node *n, num_kind from, num_kind to, type *out) {
    static const char *const kinds[] = {"plain floats", "a format with shared scales",
                                        "whole numbers"};
    const num_format *format = ((const cast_params *)n->params)->format;
    out[0] = *kit_type(g, n, 0);
    if (out[0].format->kind != from)
        return op_fail(g, n, "operand 0 must be %s, not %s", kinds[from], out[0].format->name);
    if (!format || format->kind != to)
        return op_fail(g, n, "the format to give must be %s, not %s", kinds[to],
                       format ? format->name : "none");
    out[0].format = format;
    return STATUS_OK;
}

void convert_reference(const call *c) {
    if (c->out[0].data != c->in[0].data)
        memcpy(c->out[0].data, c->in[0].data, (size_t)kit_elems(&c->out[0]) * sizeof(double));
}

status convert_sample(sample *s, const op_def *op, const num_format *from, const num_format *to) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 6, dim);
    value x = sample_floats(s, rank, dim, -2, 2);
    if (from) x = build_quantise(s->g, x, from);
    if (to->kind == NUM_BLOCK && sample_int(s, 0, 1)) to = num_find("int8_g32");
    return kit_sampled(s, graph_add(s->g, op, &(cast_params){to}, 1, &x));
}
