/* x repeated to another shape. */
#include "kern/kit/broadcast_to.h"
