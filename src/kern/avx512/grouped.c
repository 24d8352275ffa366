/* Products with one matrix of many. */
#include "kern/kit/grouped.h"
