/* Products with one matrix of many, chosen row by row: mixtures of experts (Shazeer et al. 2017). No row is
 * dropped and no order of rows is seen; a row whose id is negative or past the end gives zeros.
 *   grouped_matmul:  y[t, j, :] = x[t, j, :] . w[ids[t, j]] (+ bias[ids[t, j]])
 *   grouped_outer:   y[e] = sum over t, j with ids[t, j] = e of the outer product of dy[t, j] and x[t, j]
 * The second is the first's gradient by w; each is the other's gradient. x may lack axis j: then all
 * choices of a row share it. */
#ifndef OPS_GROUPED_MATMUL_H
#define OPS_GROUPED_MATMUL_H

#include "graph/op.h"

typedef struct grouped_matmul_params {
    bool across; /* w is [groups, K, N], else [groups, N, K] as linear layers store it */
    const num_format *format; /* of y; NULL: that of x, f32 where that shares scales */
} grouped_matmul_params;

enum {
    GROUPED_X,    /* [tokens, K] or [tokens, choices, K] */
    GROUPED_W,    /* [groups, N, K] or [groups, K, N] */
    GROUPED_IDS,  /* i32 [tokens, choices] */
    GROUPED_BIAS, /* [groups, N], optional */
    GROUPED_OPERANDS
};
enum {
    GROUPED_OUTER_X,
    GROUPED_OUTER_DY, /* [tokens, choices, N] */
    GROUPED_OUTER_IDS,
    GROUPED_OUTER_LIKE, /* only its shape, that of w, matters */
    GROUPED_OUTER_OPERANDS
};

value build_grouped_matmul(graph *g, const grouped_matmul_params *p, value x, value w, value ids,
                           value bias);
extern const op_def op_grouped_matmul, op_grouped_outer;

/* Extents of a call of either: row r of tokens x choices is row x_row of x. */
typedef struct grouped_extents {
    int64_t rows, choices, groups, n, k;
    bool shared; /* x lacks the choices */
} grouped_extents;
static inline int64_t grouped_x_row(const grouped_extents *e, int64_t r) {
    return e->shared ? r / e->choices : r;
}
grouped_extents grouped_extents_of(const call *c, int32_t w);
extern const field grouped_matmul_fields[];

/* What both ops check of x, ids and w (or its like) at these operands; *k: what they sum over or
 * spread. */
status grouped_check(const graph *g, const node *n, int32_t w, extent *columns, extent *k);
void grouped_labels(const graph *g, const node *n, int32_t w, const axis_label *columns, labels *l);

#endif
