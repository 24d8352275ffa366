/* Norms of rows. */
#include "kern/kit/norm.h"
