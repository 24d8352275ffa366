/* The slopes of activations. */
#include "kern/kit/act_bwd.h"
