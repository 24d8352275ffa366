/* Writes tokenizer.json of a BPE model, as the `tokenizers` library reads it. The words are given as the bytes
 * they stand for; byte-level models (words of any bytes, GPT-2's printable characters in the file) and models
 * of characters differ in little else. */
#ifndef TEXT_TOKENIZER_WRITE_H
#define TEXT_TOKENIZER_WRITE_H

#include "text/vocab.h"

typedef struct token_pair {
    int32_t left, right;
} token_pair;

typedef struct written_tokenizer {
    const vocab *words;     /* all ids, special tokens included */
    const int32_t *special; /* their ids, ascending */
    int64_t n_special;
    const token_pair *merges; /* in the order in which they join */
    int64_t n_merges;
    bool bytes;          /* byte-level */
    const char *pattern; /* of byte-level models; NULL: text is one word */
} written_tokenizer;

/* Appends to `out`. */
status tokenizer_write(const written_tokenizer *w, text_buffer *out) MUST_USE;

/* The tokenizer of all bytes, an id each, and one of the characters given, ascending; then the special
 * tokens. */
status tokenizer_write_bytes(const char *const *special, int64_t n_special,
                             text_buffer *out) MUST_USE;
status tokenizer_write_characters(const uint32_t *characters, int64_t count,
                                  const char *const *special, int64_t n_special,
                                  text_buffer *out) MUST_USE;

#endif
