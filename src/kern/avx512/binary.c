/* Ops of two operands, element by element. */
#include "kern/kit/binary.h"
