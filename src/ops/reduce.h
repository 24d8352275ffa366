/* Reductions over axes and their opposite. Axes are bits: 1 << axis. */
#ifndef OPS_REDUCE_H
#define OPS_REDUCE_H

#include "graph/op.h"

typedef struct reduce_params {
    int64_t axes;
    bool keep; /* reduced axes stay, with the constant extent 1 */
} reduce_params;

value build_sum(graph *g, value x, int64_t axes, bool keep);
value build_sum_squares(graph *g, value x, int64_t axes, bool keep);
value build_mean(graph *g, value x, int64_t axes, bool keep);
value build_amax(graph *g, value x, int64_t axes, bool keep);

typedef struct broadcast_to_params {
    int64_t axes; /* of `like`, that x lacks altogether; its others are equal or the constant 1 */
    bool average; /* divide by how often each value is repeated */
} broadcast_to_params;

/* Repeats x until it has the shape of `like`, whose contents do not matter. */
value build_broadcast_to(graph *g, value x, value like, int64_t axes);

extern const op_def op_sum, op_sum_squares, op_mean, op_amax, op_broadcast_to;

#endif
