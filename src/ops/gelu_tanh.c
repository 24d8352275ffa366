/* y = x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2. The tanh approximation of gelu. */
#include "ops/act_bwd.h"
#include "ops/kit/act.h"
#include "ops/kit/elementwise.h"

static double at(double x) {
    return act_at(ACT_GELU_TANH, x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)y;
    return build_act_bwd(g, ACT_GELU_TANH, x, dy);
}

UNARY_OP(gelu_tanh, "y = x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2", 14, -3, 3);
