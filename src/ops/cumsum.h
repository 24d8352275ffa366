/* y[i] = the sum of x[0 .. i] along an axis; in reverse, of x[i ..]. */
#ifndef OPS_CUMSUM_H
#define OPS_CUMSUM_H

#include "graph/op.h"

typedef struct cumsum_params {
    int32_t axis;
    bool reverse;
} cumsum_params;

value build_cumsum(graph *g, value x, int32_t axis, bool reverse);
extern const op_def op_cumsum;

#endif
