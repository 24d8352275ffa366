/* WordPiece (Schuster and Nakajima 2012, as BERT uses it): a word is cut from the left, each time
 * at the longest token; tokens inside a word carry a mark ("##"). A word that cannot be cut is
 * unknown as a whole. */
#ifndef TEXT_WORDPIECE_H
#define TEXT_WORDPIECE_H

#include "text/vocab.h"

typedef struct wordpiece {
    const vocab *words; /* borrowed */
    char prefix[32];
    int32_t unknown;      /* -1: such a word is dropped */
    int64_t longest_word; /* characters; longer words are unknown */
} wordpiece;

status wordpiece_encode(const wordpiece *m, const char *word, int64_t length,
                        token_list *out) MUST_USE;

#endif
