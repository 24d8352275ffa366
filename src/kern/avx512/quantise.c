/* Rounding rows to integers under shared scales. */
#include "kern/kit/quantise.h"
