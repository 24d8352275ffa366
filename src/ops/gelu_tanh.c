/* y = x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2. The tanh approximation of gelu. */
#include "ops/kit/elementwise.h"
#include "ops/kit/act.h"

static double at(double x) {
    return act_at(ACT_GELU_TANH, x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)y;
    value square = build_square(g, x);
    value inner = build_mul(g, x, build_scale(g, square, ACT_GELU_C * ACT_GELU_A, ACT_GELU_C));
    value t = build_tanh(g, inner);
    value inner_slope = build_scale(g, square, 3 * ACT_GELU_C * ACT_GELU_A, ACT_GELU_C);
    value bend = build_mul(g, build_scale(g, build_square(g, t), -0.5, 0.5), inner_slope);
    return build_mul(g, dy, build_add(g, build_scale(g, t, 0.5, 0.5), build_mul(g, x, bend)));
}

UNARY_OP(gelu_tanh, "y = x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2", 14, -3, 3);
