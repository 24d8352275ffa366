/* Ragged attention: sequences laid end to end, each row of queries attending its own sequence's
 * keys. s = scale * q.k (soft-capped: cap * tanh(s / cap));  p = softmax over the allowed keys (and
 * the head's sink); out = p.v;  lse = log of the softmax's denominator Query i of a sequence with Q
 * queries and L keys stands at position L - Q + i, so that prefill, chunks of it and decoding are
 * one case. Keys come either ragged beside the queries or out of pages. */
#ifndef OPS_ATTENTION_H
#define OPS_ATTENTION_H

#include "graph/op.h"

typedef struct attention_params {
    int32_t head;  /* head size; heads = columns of q / head */
    int32_t group; /* query heads on one key head */
    double scale;
    double soft_cap; /* 0: none */
    int32_t window;  /* keys seen, the own one included; 0: all */
    bool causal;
    int32_t page; /* slots in a page; 0: contiguous */
} attention_params;

enum {
    ATTENTION_Q, /* [tokens, heads * head] */
    ATTENTION_K, /* [keys, heads / group * head], or pages [pages * page, heads / group * head] */
    ATTENTION_V, /* like k */
    ATTENTION_Q_OFFSETS, /* i32 [sequences + 1], the rows of q that each sequence owns */
    ATTENTION_K_OFFSETS, /* i32 [sequences + 1]; absent: as for q. With pages: running sums of key
                            counts */
    ATTENTION_TABLE,     /* i32 [sequences, pages a sequence]; present exactly when page > 0 */
    ATTENTION_SINKS, /* [heads], optional: an extra logit that takes probability and gives nothing
                      */
    ATTENTION_OPERANDS
};
/* Outputs: 0 out [tokens, heads * head] in q's format, 1 lse f32 [tokens, heads]. */

value build_attention(graph *g, const attention_params *p, const value in[ATTENTION_OPERANDS]);
extern const op_def op_attention;

/* dq, dk, dv, dsinks from q, k, v, offsets, sinks, out, lse, dout. */
extern const op_def op_attention_bwd;

#endif
