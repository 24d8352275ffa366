/* Parameters of ops from text: "trans_b=yes, eps=1e-5, format=bf16". */
#ifndef GRAPH_PARAMS_H
#define GRAPH_PARAMS_H

#include "graph/op.h"

/* `params` has op->params_bytes and holds the defaults (zeros unless the caller knows better). NULL
 * text counts as empty. Unknown keys and values that do not parse are refused by name. */
status params_parse(context *cx, const op_def *op, const char *text, void *params);

/* Applies an op by name, with parameters as text over zeros. Operands left out at the end count as absent. */
value graph_apply(graph *g, const char *op, const char *params, int32_t n_in, const value *in);

#endif
