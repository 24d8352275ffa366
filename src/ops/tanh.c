/* y = tanh(x). y' = 1 - y^2. */
#include "ops/kit/elementwise.h"
#include "ops/kit/act.h"

static double at(double x) {
    return act_at(ACT_TANH, x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)x;
    return build_mul(g, dy, build_scale(g, build_square(g, y), -1, 1));
}

UNARY_OP(tanh, "y = tanh(x)", 12, -3, 3);
