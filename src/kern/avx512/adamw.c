/* AdamW. */
#include "kern/kit/adamw.h"
