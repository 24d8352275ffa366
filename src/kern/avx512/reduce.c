/* Sums and means. */
#include "kern/kit/reduce.h"
