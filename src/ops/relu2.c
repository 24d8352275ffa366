/* y = max(x, 0)^2. Squared relu (Primer): y' = 2 max(x, 0). */
#include "ops/kit/elementwise.h"
#include "ops/kit/act.h"

static double at(double x) {
    return act_at(ACT_RELU2, x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)y;
    return build_mul(g, dy, build_scale(g, build_relu(g, x), 2, 0));
}

UNARY_OP(relu2, "y = max(x, 0)^2", 2, -3, 3);
