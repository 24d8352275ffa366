/* What reductions share. */
#ifndef OPS_KIT_REDUCTION_H
#define OPS_KIT_REDUCTION_H

#include "ops/kit/kit.h"
#include "ops/reduce.h"

/* Axes that the node's parameters name, of an operand of this rank. */
status reduce_shape(const graph *g, const node *n, type *out);
/* Reduced axes are labelled too, as `how` says. */
void reduce_labels(const graph *g, const node *n, labels *l, label_how how);
/* The walk over x with output 0 in slot 0. */
kit_walk reduce_walk(const call *c);
/* Elements of x behind each of y. */
double reduce_ratio(const call *c);
/* dy over x again; `average` as in broadcast_to. */
value reduce_back(graph *g, value y, value dy, bool average);
void reduce_cost(const call *c, cost *out);
status reduce_sample(sample *s, const op_def *op);

extern const field reduce_fields[];

#endif
