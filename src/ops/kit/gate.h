/* What gated_mlp and its backward share. */
#ifndef OPS_KIT_GATE_H
#define OPS_KIT_GATE_H

#include "ops/gated_mlp.h"
#include "ops/kit/act.h"
#include "ops/kit/kit.h"

status gate_shape(const graph *g, const node *n, type *out);
void gate_cost(const call *c, cost *out);
status gate_sample(sample *s, const op_def *op);
extern const field gate_fields[];

#endif
