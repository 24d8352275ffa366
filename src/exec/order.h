/* In which order a plan runs its nodes. */
#ifndef EXEC_ORDER_H
#define EXEC_ORDER_H

#include "graph/op.h"

/* A legal order of all nodes: the graph's own, or one that needs less memory at its peak. */
status order_nodes(const graph *g, bool keep, arena *mem, int32_t **order);

#endif
