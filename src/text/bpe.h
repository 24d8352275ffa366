/* Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909): a word starts as single characters
 * or bytes; the neighbours whose merge was learnt earliest join, the leftmost first, until none
 * can. One engine serves the three kinds that are shipped:
 *
 *   bytes        every byte is a token (GPT-2 and after); nothing is unknown
 *   characters   with fall back to byte tokens <0xNN>, or an unknown token (SentencePiece, CLIP)
 *   scores       SentencePiece models list no merges: a pair joins when its text is a token, the
 *                best score first. bpe_merges_from_scores turns them into merges.
 *
 * Short words look for the least rank by scanning; from LONG_WORD symbols on, a heap over linked
 * symbols keeps the time at n log n whatever the text. Both give the same tokens. */
#ifndef TEXT_BPE_H
#define TEXT_BPE_H

#include "text/vocab.h"

enum { BPE_CHARACTERS = 1 << 16 };

typedef struct bpe_merge {
    uint64_t pair; /* left << 32 | right; UINT64_MAX: empty slot */
    uint32_t rank; /* lower joins first; equal ranks: leftmost first */
    int32_t joined;
} bpe_merge;

typedef struct bpe {
    context *cx;
    const vocab *words; /* borrowed; in bytes mode its strings are raw bytes */
    bpe_merge *merges;  /* open addressing */
    int64_t merge_slots, merge_count;
    bool bytes;            /* symbols start as bytes, by byte_id */
    bool byte_fallback;    /* an unknown character becomes its bytes, by byte_id */
    bool ignore_merges;    /* a word that is a token stays whole */
    bool fuse_unknown;     /* neighbours that are unknown become one */
    int32_t unknown;       /* -1: what is unknown is dropped */
    int32_t byte_id[256];  /* -1: no such token */
    int32_t *character_id; /* by code point below BPE_CHARACTERS, -1: no such token; or NULL */
    char prefix[32], suffix[32]; /* marks of characters that continue and that end a word */
} bpe;

/* Memory of one thread's encoding. */
typedef struct bpe_work {
    context *cx;
    struct bpe_symbol *symbols;
    uint64_t *heap;
    int64_t capacity, heap_count, heap_capacity;
} bpe_work;

void bpe_init(bpe *b, context *cx, const vocab *words);
void bpe_free(bpe *b);
/* Makes `character_id` of the vocabulary, when both it and the marks are complete: a look instead of a search. */
status bpe_index_characters(bpe *b) MUST_USE;
/* Adds the merge of two tokens of the vocabulary. A pair that comes again takes the later rank. */
status bpe_add_merge(bpe *b, int32_t left, int32_t right, int32_t joined, uint32_t rank) MUST_USE;
/* Every way to cut a token into two tokens is a merge of the rank of its score (`scores` has one
 * for each id; `skip`, where not NULL, marks ids that do not take part). */
status bpe_merges_from_scores(bpe *b, const float *scores, const bool *skip) MUST_USE;

status bpe_encode(const bpe *b, bpe_work *w, const char *word, int64_t length,
                  token_list *out) MUST_USE;
void bpe_work_free(bpe_work *w);

#endif
