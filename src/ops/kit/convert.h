/* Ops whose output is their operand in another format. */
#ifndef OPS_KIT_CONVERT_H
#define OPS_KIT_CONVERT_H

#include "ops/cast.h"
#include "ops/kit/kit.h"

/* Operand of kind `from` to params.format of kind `to`. */
status convert_shape(const graph *g, const node *n, num_kind from, num_kind to, type *out);
/* Copies operand 0 to output 0, element by element, in doubles. */
void convert_reference(const call *c);
status convert_sample(sample *s, const op_def *op, const num_format *from, const num_format *to);

#define CONVERT_OP(id, equation, from, to, from_format, to_format)                                 \
    static status shape(const graph *g, const node *n, type *out) {                                \
        return convert_shape(g, n, from, to, out);                                                 \
    }                                                                                              \
    static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {           \
        if (want & 1) dx[0] = kit_format_like(g, dy[0], value_node(g, y)->in[0]);                  \
    }                                                                                              \
    static status draw(sample *s) {                                                                \
        return convert_sample(s, &op_##id, from_format, num_find(to_format));                      \
    }                                                                                              \
    value build_##id(graph *g, value x, const num_format *format) {                                \
        return graph_add(g, &op_##id, &(cast_params){format}, 1, &x);                              \
    }                                                                                              \
    static const field fields[] = {FIELD(cast_params, format, FIELD_FORMAT), {0}};                 \
    const op_def op_##id = {                                                                       \
        .name = #id,                                                                               \
        .help = equation,                                                                          \
        .params_bytes = sizeof(cast_params),                                                       \
        .fields = fields,                                                                          \
        .n_in = 1,                                                                                 \
        .n_out = 1,                                                                                \
        .linear = 1,                                                                               \
        .converts = true,                                                                          \
        .shape = shape,                                                                            \
        .labels = kit_labels_equal,                                                                \
        .reference = convert_reference,                                                            \
        .gradient = gradient,                                                                      \
        .cost = kit_cost_each,                                                                     \
        .sample = draw,                                                                            \
    }

#endif
