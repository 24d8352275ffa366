/* The largest elements of each row. */
#ifndef OPS_TOPK_H
#define OPS_TOPK_H

#include "graph/op.h"

typedef struct topk_params {
    int32_t k;
} topk_params;

/* Output 0: values [.., k], largest first (NaN before all); output 1: their positions, i32 [.., k].
 * Of equal values the one with the lowest position comes first. */
value build_topk(graph *g, value x, int32_t k);
extern const op_def op_topk;

#endif
