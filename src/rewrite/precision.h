/* Mixed precision (the idea is told in rewrite/precision.c). It comes before autodiff and fuse. */
#ifndef REWRITE_PRECISION_H
#define REWRITE_PRECISION_H

#include "graph/rewrite.h"

typedef struct precision_options {
    const num_format *format; /* bf16 or f16; NULL options or format: bf16 */
} precision_options;

extern const rewrite_def rewrite_precision;

#endif
