/* The gated MLP and its backward. */
#include "kern/kit/gated_mlp.h"
