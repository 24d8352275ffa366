/* The unigram language model (Kudo 2018, arXiv:1804.10959): of all ways to cut a text into tokens,
 * the one whose scores (log probabilities) add up to the most, found by Viterbi's algorithm. A
 * character that is no token costs the least score less 10.
 *
 * Which of two cuts of equal score wins depends on how the sums are rounded, so they are rounded as each format's own
 * program does it: for tokenizer.json in f64; for a .model as SentencePiece does (src/unigram_model.cc, 0.2.3), in
 * f32, where sums beyond 100,000 are started again from zero. */
#ifndef TEXT_UNIGRAM_H
#define TEXT_UNIGRAM_H

#include "text/grow.h"
#include "text/trie.h"

typedef struct unigram {
    trie tokens;          /* every token, by id */
    const double *scores; /* by id; borrowed */
    double unknown_score;
    bool single;     /* sums in f32, started again */
    int32_t unknown; /* -1: an unknown character is an error of the model; it is dropped */
    bool byte_fallback;
    int32_t byte_id[256];
} unigram;

typedef struct unigram_work {
    context *cx;
    struct unigram_best *best;
    int64_t capacity;
} unigram_work;

void unigram_free(unigram *m);
void unigram_work_free(unigram_work *w);
/* Unknown neighbours become one unknown token, or all their bytes. */
status unigram_encode(const unigram *m, unigram_work *w, const char *text, int64_t length,
                      token_list *out) MUST_USE;

#endif
