/* Rows picked by ids, and added back. */
#include "kern/kit/pick.h"
