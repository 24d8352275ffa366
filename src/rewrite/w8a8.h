/* Both sides of products in int8 (the idea is told in rewrite/w8a8.c). It comes after precision and before fuse. */
#ifndef REWRITE_W8A8_H
#define REWRITE_W8A8_H

#include "graph/rewrite.h"

typedef struct w8a8_options {
    const num_format *format; /* int8_row or int8_tensor; NULL options or format: int8_row */
} w8a8_options;

extern const rewrite_def rewrite_w8a8;

#endif
