/* Where each piece of memory lies: pieces whose lifetimes overlap get disjoint places. Offline
 * placement: piece after piece, each at the lowest offset that is free over its whole life, in the best of a few
 * orders (by size, by life, by both).
 */
#ifndef EXEC_PLACE_H
#define EXEC_PLACE_H

#include "base/arena.h"

typedef struct piece {
    int64_t size_bytes;
    int32_t from, to; /* steps, both included */
    int64_t offset;   /* the answer, on a cache line */
} piece;

/* *total_bytes is what all pieces need together; *live_bytes the largest sum alive at one step. */
status place_pieces(context *cx, piece *pieces, int32_t n, int64_t *total_bytes,
                    int64_t *live_bytes);

#endif
