/* A plan in words: kernels chosen and refused, and the memory map. */
#ifndef EXEC_EXPLAIN_H
#define EXEC_EXPLAIN_H

#include "exec/plan.h"

void explain_kernels(const plan *p, text_sink sink);
void explain_memory(const plan *p, text_sink sink);

#endif
