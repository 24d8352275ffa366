/* int8 with a scale for each 128 values along the row. */
#include "num/kit/int8.h"

INT8_GROUP_FORMAT(128);
