/* y = x, whose values share scales, in a float format. */
#include "ops/kit/convert.h"

CONVERT_OP(dequantise, "y = x in a float format", NUM_BLOCK, NUM_FLOAT, num_find("int8_row"),
           "f64");
