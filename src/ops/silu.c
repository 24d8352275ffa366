/* y = x / (1 + exp(-x)). y' = s + y (1 - s), with s = sigmoid(x). */
#include "ops/kit/elementwise.h"
#include "ops/kit/act.h"

static double at(double x) {
    return act_at(ACT_SILU, x);
}

static value pull(graph *g, value x, value y, value dy) {
    value s = build_sigmoid(g, x);
    value slope = build_add(g, s, build_sub(g, y, build_mul(g, y, s)));
    return build_mul(g, dy, slope);
}

UNARY_OP(silu, "y = x / (1 + exp(-x))", 11, -3, 3);
