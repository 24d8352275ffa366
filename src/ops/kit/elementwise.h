/* Ops that treat every element alone. A file gives the equation in double and the pull-back as
 * graph nodes; the rest follows.
 *   unary:  double at(double x);
 *           value pull(graph *, value x, value y, value dy);
 *   binary: double at(double a, double b);
 *           void pull(graph *, value y, value dy, uint32_t want, value a, value b, value *dx);
 * Operands of a binary op broadcast by structure: shapes align right, and a missing axis or one of
 * the constant extent 1 is repeated. The result has the finer format. */
#ifndef OPS_KIT_ELEMENTWISE_H
#define OPS_KIT_ELEMENTWISE_H

#include "ops/binary.h"
#include "ops/kit/kit.h"
#include "ops/scale.h"
#include "ops/unary.h"

status unary_shape(const graph *g, const node *n, type *out);
void unary_reference(const call *c, double (*at)(double));
status unary_sample(sample *s, const op_def *op, double low, double high);

/* Any number of operands. */
status broadcast_shape(const graph *g, const node *n, type *out);
void broadcast_labels(const graph *g, const node *n, labels *l);
/* Draws the shapes of `count` operands (2 or 3) that broadcast together. */
void broadcast_sample(sample *s, int32_t count, double low, double high, value *in);
void binary_reference(const call *c, double (*at)(double, double));
status binary_sample(sample *s, const op_def *op, double low, double high);

#define UNARY_PARTS(id, flops_each, low, high)                                                     \
    static void reference(const call *c) {                                                         \
        unary_reference(c, at);                                                                    \
    }                                                                                              \
    static void count(const call *c, cost *out) {                                                  \
        kit_cost(c, (flops_each) * (double)kit_elems(&c->out[0]), out);                            \
    }                                                                                              \
    static status draw(sample *s) {                                                                \
        return unary_sample(s, &op_##id, low, high);                                               \
    }                                                                                              \
    value build_##id(graph *g, value x) {                                                          \
        return graph_add(g, &op_##id, NULL, 1, &x);                                                \
    }
#define UNARY_FIELDS(id, equation)                                                                 \
    .name = #id, .help = equation, .n_in = 1, .n_out = 1, .may_overwrite = 1,                      \
    .shape = unary_shape, .labels = kit_labels_equal, .reference = reference, .cost = count,       \
    .sample = draw

/* The whole op; `low`..`high` is where it is sampled. */
#define UNARY_OP(id, equation, flops_each, low, high)                                              \
    UNARY_PARTS(id, flops_each, low, high)                                                         \
    static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {           \
        if (want & 1) dx[0] = pull(g, value_node(g, y)->in[0], y, dy[0]);                          \
    }                                                                                              \
    const op_def op_##id = {UNARY_FIELDS(id, equation), .gradient = gradient}

#define BINARY_OP(id, equation, linear_in, low, high)                                              \
    static void reference(const call *c) {                                                         \
        binary_reference(c, at);                                                                   \
    }                                                                                              \
    static status draw(sample *s) {                                                                \
        return binary_sample(s, &op_##id, low, high);                                              \
    }                                                                                              \
    static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {           \
        value a = value_node(g, y)->in[0], b = value_node(g, y)->in[1];                            \
        pull(g, y, dy[0], want, a, b, dx);                                                         \
        if (kit_wants(want, 0)) dx[0] = kit_sum_like(g, dx[0], a);                                 \
        if (kit_wants(want, 1)) dx[1] = kit_sum_like(g, dx[1], b);                                 \
    }                                                                                              \
    value build_##id(graph *g, value a, value b) {                                                 \
        return graph_add(g, &op_##id, NULL, 2, (value[]){a, b});                                   \
    }                                                                                              \
    const op_def op_##id = {                                                                       \
        .name = #id,                                                                               \
        .help = equation,                                                                          \
        .n_in = 2,                                                                                 \
        .n_out = 1,                                                                                \
        .linear = (linear_in),                                                                     \
        .may_overwrite = 3,                                                                        \
        .shape = broadcast_shape,                                                                  \
        .labels = broadcast_labels,                                                                \
        .reference = reference,                                                                    \
        .gradient = gradient,                                                                      \
        .cost = kit_cost_each,                                                                     \
        .sample = draw,                                                                            \
    }

#endif
