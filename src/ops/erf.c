/* y = erf(x). y' = 2 exp(-x^2) / sqrt(pi). */
#include "ops/kit/elementwise.h"
#include <math.h>

static double at(double x) {
    return erf(x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)y;
    value bell = build_exp(g, build_neg(g, build_square(g, x)));
    return build_mul(g, dy, build_scale(g, bell, 1.1283791670955126, 0)); /* 2 / sqrt(pi) */
}

UNARY_OP(erf, "y = erf(x)", 12, -3, 3);
