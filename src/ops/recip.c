/* y = 1 / x. y' = -y^2. */
#include "ops/kit/elementwise.h"

static double at(double x) {
    return 1 / x;
}

static value pull(graph *g, value x, value y, value dy) {
    (void)x;
    return build_neg(g, build_mul(g, dy, build_square(g, y)));
}

UNARY_OP(recip, "y = 1 / x", 1, 0.4, 3);
