/* Ops of two operands that treat every element alone. Operands broadcast by structure: shapes align
 * right, and a missing axis or one of the constant extent 1 is repeated. The result has the finer
 * of the two formats. */
#ifndef OPS_BINARY_H
#define OPS_BINARY_H

#include "graph/op.h"

value build_add(graph *g, value a, value b);
value build_sub(graph *g, value a, value b);
value build_mul(graph *g, value a, value b);
value build_div(graph *g, value a, value b);
value build_max(graph *g, value a, value b);
value build_min(graph *g, value a, value b);

extern const op_def op_add, op_sub, op_mul, op_div, op_max, op_min;

typedef enum compare_kind { COMPARE_LT, COMPARE_LE, COMPARE_EQ } compare_kind;
typedef struct compare_params {
    int32_t kind; /* compare_kind */
} compare_params;

/* 1 where `a kind b` holds, else 0. */
value build_compare(graph *g, compare_kind kind, value a, value b);
/* a where the mask is not 0, else b; all three broadcast. */
value build_where(graph *g, value mask, value a, value b);

extern const op_def op_compare, op_where;

#endif
