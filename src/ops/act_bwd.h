/* dx = dy act'(x): the slope of an activation in one pass over x, instead of the ops that it takes apart. */
#ifndef OPS_ACT_BWD_H
#define OPS_ACT_BWD_H

#include "ops/matmul.h"

typedef struct act_bwd_params {
    int32_t act; /* matmul_act */
} act_bwd_params;

enum { ACT_BWD_X, ACT_BWD_DY };

value build_act_bwd(graph *g, matmul_act act, value x, value dy);
extern const op_def op_act_bwd;

#endif
