/* Numbers the sequences of a split: which document, and which piece of it. A document of n ids has
 * ceil((n - 1) / longest) pieces to be packed, or n - longest places where a window can begin. The count
 * is kept for every 64th document only; the rest is found by looking at their lengths, which lie in the
 * shards. */
#ifndef TEXT_SEQUENCE_INDEX_H
#define TEXT_SEQUENCE_INDEX_H

#include "store/token_set.h"

typedef struct sequence_index {
    context *cx;
    token_part *part; /* borrowed */
    int64_t longest;
    bool windows;
    int64_t *before;        /* sequences before each group of documents; groups + 1 */
    int64_t *groups_before; /* of each shard */
    int64_t groups;
    int64_t sequences, ids; /* ids: that have a target */
    int64_t shortest;       /* sequence */
} sequence_index;

typedef struct sequence_place {
    shard *shard;
    int64_t from;  /* its first id in the shard */
    int64_t count; /* ids; one more is there for the last target */
} sequence_place;

/* Reads the length of every document. */
status sequence_index_make(context *cx, token_part *part, int64_t longest, bool windows,
                           sequence_index *out) MUST_USE;
void sequence_index_free(sequence_index *x);
/* The place of sequence 0 <= number < sequences. */
status sequence_index_find(const sequence_index *x, int64_t number, sequence_place *out) MUST_USE;

#endif
