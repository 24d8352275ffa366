/* y[.., M, N] = a[.., M, K] . b[.., K, N], then what the fuse rewrite folded in: + bias[N], act(.),
 * + residual. */
#ifndef OPS_MATMUL_H
#define OPS_MATMUL_H

#include "graph/op.h"

typedef enum matmul_act {
    ACT_NONE,
    ACT_RELU,
    ACT_RELU2,
    ACT_SILU,
    ACT_GELU,
    ACT_GELU_TANH,
    ACT_SIGMOID,
    ACT_TANH
} matmul_act;

typedef struct matmul_params {
    bool trans_a;             /* a is [.., K, M] */
    bool trans_b;             /* b is [.., N, K], as linear layers store their weight */
    const num_format *format; /* of y */
    int32_t act;              /* matmul_act, by the fuse rewrite only */
} matmul_params;

enum { MATMUL_A, MATMUL_B, MATMUL_BIAS, MATMUL_RESIDUAL }; /* operands; the last two are optional */

/* b of rank 2 is shared by the whole batch; otherwise leading axes agree. `format` NULL: that of a.
 */
value build_matmul(graph *g, value a, value b, bool trans_a, bool trans_b,
                   const num_format *format);
extern const op_def op_matmul;

#endif
