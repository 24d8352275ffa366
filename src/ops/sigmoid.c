/* y = 1 / (1 + exp(-x)). y' = y (1 - y). */
#include "ops/kit/elementwise.h"
#include "ops/kit/act.h"

static double at(double x) {
    return act_at(ACT_SIGMOID, x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)x;
    return build_mul(g, dy, build_sub(g, y, build_square(g, y)));
}

UNARY_OP(sigmoid, "y = 1 / (1 + exp(-x))", 10, -3, 3);
