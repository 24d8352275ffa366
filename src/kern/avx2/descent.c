/* Gradient descent, plain and with momentum. */
#include "kern/kit/descent.h"
