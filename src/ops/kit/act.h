/* The activations that other ops fold in (matmul epilogues, gated MLP), in double and as graph
 * nodes. */
#ifndef OPS_KIT_ACT_H
#define OPS_KIT_ACT_H

#include "ops/matmul.h"

#define ACT_GELU_C 0.79788456080286536 /* sqrt(2 / pi) */
#define ACT_GELU_A 0.044715

enum { ACT_KINDS = ACT_TANH + 1 };

double act_at(int32_t act, double x);
double act_slope_at(int32_t act, double x);
double act_flops(int32_t act);
/* x itself for ACT_NONE. */
value build_act(graph *g, int32_t act, value x);
/* dy times the slope at x, in plain ops. */
value build_act_back(graph *g, int32_t act, value x, value dy);

#endif
