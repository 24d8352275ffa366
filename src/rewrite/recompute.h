/* Activations computed again instead of kept (the idea is told in rewrite/recompute.c). It comes after autodiff and
 * fuse, and needs the blocks of the model (regions of nodes). */
#ifndef REWRITE_RECOMPUTE_H
#define REWRITE_RECOMPUTE_H

#include "graph/rewrite.h"

typedef enum recompute_kind {
    RECOMPUTE_NONE,
    RECOMPUTE_SELECTIVE,
    RECOMPUTE_BLOCK,
    RECOMPUTE_SQRT
} recompute_kind;
#define RECOMPUTE_NAMES "none", "selective", "block", "sqrt"

typedef struct recompute_options {
    recompute_kind kind;
} recompute_options;

extern const rewrite_def rewrite_recompute;

/* What a setting costs, in bytes at the bounds of the extents, read off a graph that was rewritten (or not):
 * forward values that wait for the backward phase, and the most that the backward phase of one block reads of what
 * was computed again. */
typedef struct recompute_bytes {
    int64_t kept, again;
} recompute_bytes;
status recompute_count(const graph *g, recompute_bytes *out);

#endif
