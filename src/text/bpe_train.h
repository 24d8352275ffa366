/* Learns the merges of byte-level byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909): words are bytes; the
 * two neighbours that come together most often become one token, again and again.
 *
 * The result is that of the `tokenizers` library's BpeTrainer on the same words: special tokens come first, then the
 * 256 bytes in the order of their printable characters, then the merges. Of pairs that come equally often, the one of
 * the lesser ids joins first. */
#ifndef TEXT_BPE_TRAIN_H
#define TEXT_BPE_TRAIN_H

#include "text/tokenizer_write.h"
#include "text/word_counts.h"

typedef struct bpe_training {
    context *cx;
    vocab words; /* raw bytes by id; special tokens as they are written */
    token_pair *merges;
    int64_t n_merges, capacity;
} bpe_training;

/* `vocabulary` counts the special tokens and the bytes too; it is not reached when no pair comes `least` times. */
status bpe_train(context *cx, const word_counts *counts, int64_t vocabulary, int64_t least,
                 const char *const *special, int64_t n_special, bpe_training *out) MUST_USE;
void bpe_training_free(bpe_training *t);

typedef struct bpe_train_options {
    document_options input;
    int64_t vocabulary, least;
    const char *pattern; /* a published one's name or a regular expression; NULL: gpt2 */
    const char *const *special;
    int64_t n_special;
    int threads;
} bpe_train_options;

typedef struct bpe_train_result {
    int64_t vocabulary, merges, words, dropped, text_bytes;
} bpe_train_result;

/* From files to the text of a tokenizer.json. */
status bpe_train_files(context *cx, const bpe_train_options *options, text_buffer *out,
                       bpe_train_result *result) MUST_USE;

#endif
