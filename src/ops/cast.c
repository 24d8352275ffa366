/* y = x in another float format. */
#include "ops/kit/convert.h"

CONVERT_OP(cast, "y = x in another float format", NUM_FLOAT, NUM_FLOAT, NULL, "f32");
