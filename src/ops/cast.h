/* Between formats. Execution packs and unpacks around every op, so a change of format computes
 * nothing. */
#ifndef OPS_CAST_H
#define OPS_CAST_H

#include "graph/op.h"

typedef struct cast_params {
    const num_format *format;
} cast_params;

/* Floats to another float format. */
value build_cast(graph *g, value x, const num_format *format);
/* Floats to a format with shared scales, and back. Gradients pass straight through. */
value build_quantise(graph *g, value x, const num_format *format);
value build_dequantise(graph *g, value x, const num_format *format);

extern const op_def op_cast, op_quantise, op_dequantise;

#endif
