/* y = 1 where x > 0, else 0: the derivative of relu and its like. Its own derivative is 0 wherever
 * there is one, so nothing flows back. */
#include "ops/kit/elementwise.h"

static double at(double x) {
    return x > 0;
}

UNARY_PARTS(step, 1, -3, 3)

const op_def op_step = {UNARY_FIELDS(step, "y = x > 0 ? 1 : 0"), .no_grad_in = 1};
