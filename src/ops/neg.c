/* y = -x. y' = -1. */
#include "ops/kit/elementwise.h"

static double at(double x) {
    return -x;
}

static value pull(graph *g, value x, value y, value dy) {
    (void)x, (void)y;
    return build_neg(g, dy);
}

UNARY_OP(neg, "y = -x", 1, -3, 3);
