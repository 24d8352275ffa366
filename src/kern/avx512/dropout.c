/* Dropout. */
#include "kern/kit/dropout.h"
