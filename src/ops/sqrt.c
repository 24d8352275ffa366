/* y = sqrt(x). y' = 1 / (2 y). */
#include "ops/kit/elementwise.h"
#include <math.h>

static double at(double x) {
    return sqrt(x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)x;
    return build_div(g, build_scale(g, dy, 0.5, 0), y);
}

UNARY_OP(sqrt, "y = sqrt(x)", 1, 0.3, 3);
