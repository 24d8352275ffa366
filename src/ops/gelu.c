/* y = x (1 + erf(x / sqrt 2)) / 2. Gaussian error linear unit, exact (Hendrycks and Gimpel). */
#include "ops/act_bwd.h"
#include "ops/kit/act.h"
#include "ops/kit/elementwise.h"

static double at(double x) {
    return act_at(ACT_GELU, x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)y;
    return build_act_bwd(g, ACT_GELU, x, dy);
}

UNARY_OP(gelu, "y = x (1 + erf(x / sqrt 2)) / 2", 14, -3, 3);
