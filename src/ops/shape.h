/* Ops that move elements and compute nothing. */
#ifndef OPS_SHAPE_H
#define OPS_SHAPE_H

#include "graph/op.h"

/* Axes axis .. axis + take - 1 become `give` axes. A size of 0 is what remains (at most one); all
 * others are constants. Nothing moves: it is a view. */
typedef struct reshape_params {
    int32_t axis, take, give;
    int64_t size[MAX_RANK];
} reshape_params;
value build_reshape(graph *g, value x, int32_t axis, int32_t take, int32_t give,
                    const int64_t *size);
/* Axes axis .. axis + count - 1 become one. */
value build_merge(graph *g, value x, int32_t axis, int32_t count);

typedef struct permute_params {
    int64_t from[MAX_RANK]; /* output axis d is operand axis from[d] */
} permute_params;
value build_permute(graph *g, value x, const int64_t *from);
/* Exchanges the two innermost axes. */
value build_transpose(graph *g, value x);

typedef struct slice_params {
    int32_t axis;
    int64_t start, length;
} slice_params;
value build_slice(graph *g, value x, int32_t axis, int64_t start, int64_t length);
/* Zeros in the shape of `like`, with x from `start` on: the opposite of slice. */
typedef struct place_params {
    int32_t axis;
    int64_t start;
} place_params;
value build_place(graph *g, value x, value like, int32_t axis, int64_t start);

typedef struct concat_params {
    int32_t axis;
} concat_params;
value build_concat(graph *g, int32_t n_in, const value *in, int32_t axis);

extern const op_def op_reshape, op_permute, op_slice, op_place, op_concat;

#endif
