/* y = a / b. */
#include "ops/kit/elementwise.h"

static double at(double a, double b) {
    return a / b;
}

static void pull(graph *g, value y, value dy, uint32_t want, value a, value b, value *dx) {
    (void)a;
    value da = build_div(g, dy, b);
    if (kit_wants(want, 0)) dx[0] = da;
    if (kit_wants(want, 1)) dx[1] = build_neg(g, build_mul(g, da, y));
}

BINARY_OP(div, "y = a / b", 1, 0.4, 2);
