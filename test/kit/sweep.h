/* Reverse differentiation small enough to be seen through, for checking ops: gradients are nodes of
 * the same graph; an op without a gradient of its own goes through its expansion. */
#ifndef TEST_KIT_SWEEP_H
#define TEST_KIT_SWEEP_H

#include "graph/op.h"

enum { SWEEP_NODES = 8192 };
typedef struct sweep {
    graph *g;
    value of[SWEEP_NODES][MAX_OUT]; /* the gradient gathered for each value */
    const char *without;            /* the op that turned out to have no gradient, else NULL */
} sweep;

void sweep_clear(sweep *s, graph *g);
void sweep_give(sweep *s, value v, value gradient);
/* Pulls what outputs of nodes first..last-1 were given back to their operands. */
void sweep_back(sweep *s, int32_t first, int32_t last);

#endif
