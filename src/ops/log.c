/* y = log(x). y' = 1 / x. */
#include "ops/kit/elementwise.h"
#include <math.h>

static double at(double x) {
    return log(x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)y;
    return build_div(g, dy, x);
}

UNARY_OP(log, "y = log(x)", 8, 0.3, 3);
