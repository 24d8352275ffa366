/* Ops that write states: each output is the next version of the operand in its place. lr, step and
 * scale are inputs of every step; scale (optional) multiplies the gradient first, for clipping and
 * loss scaling.
 *   sgd:      g += decay w;  w -= lr g
 *   momentum: g += decay w;  m = mu m + g;  w -= lr (nesterov ? g + mu m : m)
 *   adamw:    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
 *             w -= lr (decay w + (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps))
 *             with t = step, counted from 1
 *   assign:   target = x
 * (Sutskever et al. 2013; Loshchilov and Hutter, "Decoupled weight decay regularization".) */
#ifndef OPS_OPTIMISER_H
#define OPS_OPTIMISER_H

#include "graph/op.h"

typedef struct sgd_params {
    double decay;
} sgd_params;
enum { SGD_W, SGD_GRAD, SGD_LR, SGD_SCALE, SGD_OPERANDS };

typedef struct momentum_params {
    double mu, decay;
    bool nesterov;
} momentum_params;
enum { MOMENTUM_W, MOMENTUM_M, MOMENTUM_GRAD, MOMENTUM_LR, MOMENTUM_SCALE, MOMENTUM_OPERANDS };

typedef struct adamw_params {
    double beta1, beta2, eps, decay;
} adamw_params;
/* step is i32 or i64; lr, step and scale are scalars. */
enum { ADAMW_W, ADAMW_M, ADAMW_V, ADAMW_GRAD, ADAMW_LR, ADAMW_STEP, ADAMW_SCALE, ADAMW_OPERANDS };

value build_sgd(graph *g, const sgd_params *p, const value in[SGD_OPERANDS]);
value build_momentum(graph *g, const momentum_params *p, const value in[MOMENTUM_OPERANDS]);
value build_adamw(graph *g, const adamw_params *p, const value in[ADAMW_OPERANDS]);
value build_assign(graph *g, value target, value x);

extern const op_def op_sgd, op_momentum, op_adamw, op_assign;

#endif
