/* Picking by ids, and adding back. An id that is negative or past the end picks zeros and adds
 * nothing. */
#ifndef OPS_GATHER_H
#define OPS_GATHER_H

#include "graph/op.h"

typedef struct embedding_params {
    const num_format *format; /* of y; NULL: the table's own, f32 where that shares scales */
} embedding_params;

/* y[t, :] = table[ids[t], :]; the table may be in any format. */
value build_embedding(graph *g, value table, value ids, const num_format *format);
/* y[i, ..] = x[ids[i], ..] */
value build_gather(graph *g, value x, value ids);
/* y = 0 in the shape of `like`, and y[ids[i], ..] += rows[i, ..] in the order of i. */
value build_scatter_add(graph *g, value rows, value ids, value like);
/* Within rows: y[.., j] = x[.., ids[.., j]]; ids with one axis less pick one element a row. */
value build_take(graph *g, value x, value ids);
/* y = 0 in the shape of `like`, and y[.., ids[.., j]] += x[.., j]. */
value build_put(graph *g, value x, value ids, value like);
/* Writes a state: the next version of `target`, in any format, has rows[i, ..] at ids[i]. An id that is negative
 * or past the end writes nothing; no two may name the same row. */
value build_put_rows(graph *g, value target, value ids, value rows);

extern const op_def op_embedding, op_gather, op_scatter_add, op_take, op_put, op_put_rows;

#endif
