/* y = x / (1 + exp(-x)). */
#include "ops/act_bwd.h"
#include "ops/kit/act.h"
#include "ops/kit/elementwise.h"

static double at(double x) {
    return act_at(ACT_SILU, x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)y;
    return build_act_bwd(g, ACT_SILU, x, dy);
}

UNARY_OP(silu, "y = x / (1 + exp(-x))", 11, -3, 3);
