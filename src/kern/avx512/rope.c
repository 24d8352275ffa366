/* Rotary positions. */
#include "kern/kit/rope.h"
