/* The k largest of rows. */
#include "kern/kit/topk.h"
