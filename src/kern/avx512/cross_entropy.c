/* Cross-entropy and its backward. */
#include "kern/kit/cross_entropy.h"
