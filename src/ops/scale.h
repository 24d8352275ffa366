/* y = mul x + add, with constants. */
#ifndef OPS_SCALE_H
#define OPS_SCALE_H

#include "graph/op.h"

typedef struct scale_params {
    double mul, add;
} scale_params;

value build_scale(graph *g, value x, double mul, double add);
extern const op_def op_scale;

#endif
