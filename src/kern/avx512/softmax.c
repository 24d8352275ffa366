/* Softmax and its logarithm. */
#include "kern/kit/softmax.h"
