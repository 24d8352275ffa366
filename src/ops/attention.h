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

/* dq, dk, dv, dsinks; p is computed again from lse, so that nothing of the size of the scores is
 * kept. */
enum {
    ATTENTION_OUT = ATTENTION_OPERANDS, /* operands 0.. are those of attention */
    ATTENTION_LSE,
    ATTENTION_DOUT, /* gradients of the two outputs, each optional */
    ATTENTION_DLSE,
    ATTENTION_BWD_OPERANDS
};
enum { ATTENTION_DQ, ATTENTION_DK, ATTENTION_DV, ATTENTION_DSINKS };
extern const op_def op_attention_bwd;
extern const field attention_fields[];

/* What both ops say of operands 0..6: errors, axis labels; the pairs of query and key that the mask
 * allows, over all heads; the bytes of a tensor. */
status attention_check(const graph *g, const node *n);
void attention_labels(const node *n, labels *l);
double attention_pairs(const call *c);
double attention_bytes(const tensor *t);
/* The random operands of both, and the parameters that they belong to. */
attention_params attention_sample(sample *s, value in[ATTENTION_OPERANDS]);

/* The mask: a query at position `at` sees keys [*from, *to) of its sequence's `keys`; a window
 * without `causal` reaches as far ahead as back. */
static inline void attention_range(const attention_params *p, int64_t at, int64_t keys,
                                   int64_t *from, int64_t *to) {
    int64_t first = p->window ? at - p->window + 1 : 0;
    int64_t end = p->causal ? at + 1 : p->window ? at + p->window : keys;
    *from = MIN_OF(MAX_OF(first, 0), keys);
    *to = MAX_OF(MIN_OF(end, keys), *from);
}

/* One sequence of a call. */
typedef struct attention_sequence {
    int64_t q_first, queries; /* rows of q */
    int64_t k_first, keys;    /* rows of k, where it is contiguous */
    const int32_t *pages;     /* or the sequence's line of the table */
} attention_sequence;
static inline attention_sequence attention_sequence_at(const call *c, int64_t s) {
    const int32_t *qo = (const int32_t *)c->in[ATTENTION_Q_OFFSETS].data;
    const int32_t *ko = (const int32_t *)c->in[ATTENTION_K_OFFSETS].data;
    const tensor *table = &c->in[ATTENTION_TABLE];
    if (!ko) ko = qo;
    return (attention_sequence){
        .q_first = qo[s],
        .queries = qo[s + 1] - qo[s],
        .k_first = ko[s],
        .keys = ko[s + 1] - ko[s],
        .pages = table->data ? (const int32_t *)table->data + s * table->dim[1] : NULL};
}
/* The row of k and v that holds key j. */
static inline int64_t attention_key_row(const attention_params *p, const attention_sequence *a,
                                        int64_t j) {
    return a->pages ? (int64_t)a->pages[j / p->page] * p->page + j % p->page : a->k_first + j;
}

#endif
