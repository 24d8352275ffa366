/* y = a < b ? b : a. Equal operands: the gradient goes to a. */
#include "ops/kit/elementwise.h"

static double at(double a, double b) {
    return a < b ? b : a;
}

static void pull(graph *g, value y, value dy, uint32_t want, value a, value b, value *dx) {
    (void)y;
    value second = build_compare(g, COMPARE_LT, a, b);
    if (kit_wants(want, 0)) dx[0] = build_mul(g, dy, build_scale(g, second, -1, 1));
    if (kit_wants(want, 1)) dx[1] = build_mul(g, dy, second);
}

BINARY_OP(max, "y = a < b ? b : a", 0, -2, 2);
