/* y = max(x, 0). y' = step(x). NaN stays NaN. */
#include "ops/kit/elementwise.h"
#include "ops/kit/act.h"

static double at(double x) {
    return act_at(ACT_RELU, x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)y;
    return build_mul(g, dy, build_step(g, x));
}

UNARY_OP(relu, "y = max(x, 0)", 1, -3, 3);
