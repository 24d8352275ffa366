/* Axes in another order. */
#include "kern/kit/permute.h"
