/* Ops of one operand that treat every element alone: y has the shape and format of x. */
#ifndef OPS_UNARY_H
#define OPS_UNARY_H

#include "graph/op.h"

value build_abs(graph *g, value x);
value build_erf(graph *g, value x);
value build_exp(graph *g, value x);
value build_gelu(graph *g, value x);
value build_gelu_tanh(graph *g, value x);
value build_log(graph *g, value x);
value build_neg(graph *g, value x);
value build_recip(graph *g, value x);
value build_relu(graph *g, value x);
value build_relu2(graph *g, value x);
value build_rsqrt(graph *g, value x);
value build_sigmoid(graph *g, value x);
value build_silu(graph *g, value x);
value build_softplus(graph *g, value x);
value build_sqrt(graph *g, value x);
value build_square(graph *g, value x);
value build_step(graph *g, value x);
value build_tanh(graph *g, value x);

extern const op_def op_abs, op_erf, op_exp, op_gelu, op_gelu_tanh, op_log, op_neg, op_recip,
    op_relu, op_relu2, op_rsqrt, op_sigmoid, op_silu, op_softplus, op_sqrt, op_square, op_step,
    op_tanh;

#endif
