/* Softmax over the innermost axis, and its logarithm. */
#ifndef OPS_SOFTMAX_H
#define OPS_SOFTMAX_H

#include "graph/op.h"

value build_softmax(graph *g, value x);
value build_log_softmax(graph *g, value x);
extern const op_def op_softmax, op_log_softmax;

#endif
