/* y = |x|. The derivative at 0 is taken as 0. */
#include "ops/kit/elementwise.h"
#include <math.h>

static double at(double x) {
    return fabs(x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)y;
    return build_mul(g, dy, build_sub(g, build_step(g, x), build_step(g, build_neg(g, x))));
}

UNARY_OP(abs, "y = |x|", 1, -3, 3);
