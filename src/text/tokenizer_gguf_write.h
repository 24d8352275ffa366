/* A tokenizer as GGUF metadata: byte-level BPE whose way of cutting text GGUF has a name for, SentencePiece's BPE and
 * unigram models, BERT's WordPiece. */
#ifndef TEXT_TOKENIZER_GGUF_WRITE_H
#define TEXT_TOKENIZER_GGUF_WRITE_H

#include "store/gguf.h"
#include "text/tokenizer.h"

enum { TOKENIZER_GGUF_PAIRS = 12 };

/* Fills pairs[0..*count) with keys tokenizer.ggml.*; they live in `memory` and the tokenizer. What GGUF cannot tell
 * is refused by name. Up to `vocabulary`, the rows of the model's table, ids without a token are filled as unused. */
status tokenizer_gguf_pairs(const tokenizer *t, int64_t vocabulary, arena *memory,
                            gguf_pair pairs[TOKENIZER_GGUF_PAIRS], int64_t *count) MUST_USE;

#endif
