/* Ops of one operand, element by element. */
#include "kern/kit/unary.h"
