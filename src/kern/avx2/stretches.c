/* Slice, place, concat. */
#include "kern/kit/stretches.h"
