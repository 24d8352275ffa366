/* y = x in a format whose values share scales. The gradient passes straight through the rounding
 * (Bengio et al., "Estimating or propagating gradients through stochastic neurons"). */
#include "ops/kit/convert.h"

CONVERT_OP(quantise, "y = x in a format with shared scales", NUM_FLOAT, NUM_BLOCK, NULL,
           "int8_row");
