/* y = x (1 + erf(x / sqrt 2)) / 2. Gaussian error linear unit, exact (Hendrycks and Gimpel):
 * y' = P(x) + x p(x), with the normal distribution P and its density p. */
#include "ops/kit/elementwise.h"
#include "ops/kit/act.h"

static double at(double x) {
    return act_at(ACT_GELU, x);
}

static value pull(graph *g, value x, value y, value dy) {
    (void)y;
    value bell = build_exp(g, build_scale(g, build_square(g, x), -0.5, 0));
    value density = build_scale(g, bell, 0.39894228040143268, 0); /* 1 / sqrt(2 pi) */
    value erf_part = build_erf(g, build_scale(g, x, 0.70710678118654752, 0));
    value below = build_scale(g, erf_part, 0.5, 0.5);
    return build_mul(g, dy, build_add(g, below, build_mul(g, x, density)));
}

UNARY_OP(gelu, "y = x (1 + erf(x / sqrt 2)) / 2", 14, -3, 3);
