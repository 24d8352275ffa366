/* What op files share: walking tensors by strides, reading ids, costs, labels and checks of
 * shape. */
#ifndef OPS_KIT_KIT_H
#define OPS_KIT_KIT_H

#include "graph/op.h"

/* ---- running ---- */
int64_t kit_elems(const tensor *t);
/* Elements divided by the innermost extent; the innermost extent (1 for a scalar). */
int64_t kit_rows(const tensor *t);
int64_t kit_columns(const tensor *t);
int64_t kit_id(const tensor *t, int64_t i);
static inline const double *kit_in(const call *c, int i) {
    return (const double *)c->in[i].data;
}
static inline double *kit_out(const call *c, int o) {
    return (double *)c->out[o].data;
}
/* Extents before, at and after an axis. */
typedef struct kit_split {
    int64_t outer, axis, inner;
} kit_split;
kit_split kit_split_at(const tensor *t, int32_t axis);

/* Visits every index of `dim` in row-major order, keeping the offsets of up to 4 tensors beside it.
 *   for (kit_walk w = kit_walk_over(t); w.left; kit_walk_next(&w)) use w.at[0..3] */
typedef struct kit_walk {
    int32_t rank;
    int64_t left, dim[MAX_RANK], index[MAX_RANK], stride[4][MAX_RANK], at[4];
} kit_walk;
kit_walk kit_walk_over(const tensor *t);
/* Tensor `slot` moves as `t` does when it is broadcast to what is walked (aligned right). */
void kit_walk_broadcast(kit_walk *w, int slot, const tensor *t);
/* Tensor `slot` is dense over the axes in `kept` (bits), of extents `t`, and stands still on the
 * others. */
void kit_walk_kept(kit_walk *w, int slot, const tensor *t, int64_t kept);
void kit_walk_next(kit_walk *w);

/* Bytes of every operand and output once (not those of which only the shape matters). */
void kit_cost(const call *c, double flops, cost *out);
void kit_cost_copy(const call *c, cost *out);
/* One operation an element of output 0. */
void kit_cost_each(const call *c, cost *out);

/* ---- building ---- */
/* NULL where the operand is absent. */
const type *kit_type(const graph *g, const node *n, int i);
static inline value kit_at(value y, int32_t out) {
    return (value){y.node, y.out + out};
}
static inline bool kit_wants(uint32_t want, int i) {
    return want >> i & 1;
}
/* Operand i must be of plain floats / of this rank. */
status kit_need_floats(const graph *g, const node *n, int i);
status kit_need_rank(const graph *g, const node *n, int i, int32_t rank);
/* Operands i and j must have equal extents. */
status kit_need_same(const graph *g, const node *n, int i, int j);
/* Of two float formats the one that keeps more. */
const num_format *kit_wider(const num_format *a, const num_format *b);
/* v in the format of x (a cast only where they differ). */
value kit_format_like(graph *g, value v, value x);
/* v summed over what broadcasting x added, in x's shape and format. */
value kit_sum_like(graph *g, value v, value x);
/* x * mul, left alone for 1. */
value kit_scaled(graph *g, value x, double mul);

/* ---- labels ---- */
/* Axis d of a tensor of this rank has label 1 + d + (most - rank), so that shapes align right. */
void kit_labels_right(axis_label *axes, const type *t, int32_t most_rank);
/* Operands and outputs of equal shape (present ones): axis d has label d + 1. */
void kit_labels_equal(const graph *g, const node *n, labels *l);
/* kit_labels_equal with the innermost axis in one piece. */
void kit_labels_rows(const graph *g, const node *n, labels *l);

/* ---- sampling ---- */
/* A random shape, each extent in 1..most; an extent of 1 now and then. Returns the rank. */
int32_t kit_sample_dims(sample *s, int32_t low_rank, int32_t high_rank, int64_t most, int64_t *dim);
/* Sets the node under test and returns how the graph stands. */
status kit_sampled(sample *s, value y);

#endif
