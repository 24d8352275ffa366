/* Turns a forward graph over whole sequences into one that continues them: keys and values of earlier steps are
 * kept in states ("kv.N.k" and "kv.N.v" for the N-th attention), cut into pages of slots.
 *
 *   attention(q, k, v, offsets)  ->  K' = put_rows(K, slots, k), V' = put_rows(V, slots, v)
 *                                    attention(q, K', V', offsets, k_offsets, table; page)
 *
 * Keys and values are read only from there, after rounding to the states' format, so that it makes no
 * difference in which steps they came. New inputs, besides those of the graph:
 *   slots      i32 [tokens]                       the row of the states that each token's key and value go to
 *   k_offsets  i32 [sequences + 1]                running sums of the keys, those of this step included
 *   table      i32 [sequences, pages a sequence]  the pages of each sequence in order
 * Contiguous memory is a page as long as a whole sequence.
 * (Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention", 2023.) */
#ifndef REWRITE_PAGED_H
#define REWRITE_PAGED_H

#include "graph/rewrite.h"

typedef struct paged_options {
    const num_format *format; /* of keys and values at rest; NULL: as they are computed */
    int32_t page;             /* slots in a page */
    int64_t pages;            /* in the states */
    int64_t table;            /* pages that one sequence can have */
} paged_options;

extern const rewrite_def rewrite_paged;

#endif
