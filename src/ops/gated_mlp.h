/* y = act(gate) up (Shazeer, "GLU variants improve transformer"). */
#ifndef OPS_GATED_MLP_H
#define OPS_GATED_MLP_H

#include "ops/matmul.h"

typedef struct gated_mlp_params {
    int32_t act; /* matmul_act */
} gated_mlp_params;

enum {
    GATED_MLP_GATE,
    GATED_MLP_UP,
    GATED_MLP_DY
}; /* the last is the backward's, which gives dgate, dup */

value build_gated_mlp(graph *g, value gate, value up, matmul_act act);
extern const op_def op_gated_mlp, op_gated_mlp_bwd;

#endif
