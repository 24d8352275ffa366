/* y = log(1 + exp(x)). y' = sigmoid(x). */
#include "ops/kit/elementwise.h"
#include <math.h>

static double at(double x) {
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static value pull(graph *g, value x, value y, value dy) {
    (void)y;
    return build_mul(g, dy, build_sigmoid(g, x));
}

UNARY_OP(softplus, "y = log(1 + exp(x))", 16, -3, 3);
