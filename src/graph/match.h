/* Small patterns over a graph: an op, what its operands must match, and which values to remember.
 *
 *     static const pattern dot = {.op = &op_matmul, .capture = 1, .once = true};
 *     static const pattern sum = {.op = &op_add, .commutes = true, .in = {&dot, &match_any2}};
 *
 * `once` asks that nobody else reads the value, so that folding it away saves work instead of
 * repeating it. */
#ifndef GRAPH_MATCH_H
#define GRAPH_MATCH_H

#include "graph/rewrite.h"

enum { PATTERN_IN = 4, PATTERN_CAPTURES = 8 };

typedef struct pattern {
    const op_def *op; /* NULL: any value */
    int8_t capture;   /* 1..PATTERN_CAPTURES-1: where to keep the value; 0: nowhere */
    bool once;
    bool commutes;                        /* the first two operands may stand in either order */
    const struct pattern *in[PATTERN_IN]; /* NULL: whatever is there, or absent */
} pattern;

typedef struct match {
    value at[PATTERN_CAPTURES];
} match;

/* Whether the old node `n`, over what its operands have become, is an instance. Captured are values
 * of the new graph, so that patterns see what earlier folds have made. Phases must agree along the
 * pattern. */
bool match_node(const rewriting *r, const pattern *p, const node *n, match *found);

#endif
