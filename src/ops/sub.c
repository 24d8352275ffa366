/* y = a - b. */
#include "ops/kit/elementwise.h"

static double at(double a, double b) {
    return a - b;
}

static void pull(graph *g, value y, value dy, uint32_t want, value a, value b, value *dx) {
    (void)y, (void)a, (void)b;
    if (kit_wants(want, 0)) dx[0] = dy;
    if (kit_wants(want, 1)) dx[1] = build_neg(g, dy);
}

BINARY_OP(sub, "y = a - b", 0, -2, 2);
