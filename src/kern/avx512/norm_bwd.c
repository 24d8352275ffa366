/* The norms' backward. */
#include "kern/kit/norm_bwd.h"
