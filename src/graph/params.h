/* Parameters of ops from text: "trans_b=yes, eps=1e-5, format=bf16". */
#ifndef GRAPH_PARAMS_H
#define GRAPH_PARAMS_H

#include "graph/op.h"

/* `params` has op->params_bytes and holds the defaults (zeros unless the caller knows better). NULL
 * text counts as empty. Unknown keys and values that do not parse are refused by name. */
status params_parse(context *cx, const op_def *op, const char *text, void *params);

#endif
