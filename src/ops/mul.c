/* y = a b. */
#include "ops/kit/elementwise.h"

static double at(double a, double b) {
    return a * b;
}

static void pull(graph *g, value y, value dy, uint32_t want, value a, value b, value *dx) {
    (void)y;
    if (kit_wants(want, 0)) dx[0] = build_mul(g, dy, b);
    if (kit_wants(want, 1)) dx[1] = build_mul(g, dy, a);
}

BINARY_OP(mul, "y = a b", 3, -2, 2);
