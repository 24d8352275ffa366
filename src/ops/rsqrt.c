/* y = 1 / sqrt(x). y' = -y^3 / 2. */
#include "ops/kit/elementwise.h"
#include <math.h>

static double at(double x) {
    return 1 / sqrt(x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)x;
    value cube = build_mul(g, y, build_square(g, y));
    return build_mul(g, dy, build_scale(g, cube, -0.5, 0));
}

UNARY_OP(rsqrt, "y = 1 / sqrt(x)", 2, 0.3, 3);
