/* A tokenizer as GGUF metadata: byte-level BPE whose way of cutting text GGUF has a name for. */
#ifndef TEXT_TOKENIZER_GGUF_WRITE_H
#define TEXT_TOKENIZER_GGUF_WRITE_H

#include "store/gguf.h"
#include "text/tokenizer.h"

enum { TOKENIZER_GGUF_PAIRS = 6 };

/* Fills pairs[0..*count) with keys tokenizer.ggml.*; they live in `memory` and the tokenizer. What GGUF cannot tell
 * is refused by name. */
status tokenizer_gguf_pairs(const tokenizer *t, arena *memory,
                            gguf_pair pairs[TOKENIZER_GGUF_PAIRS], int64_t *count) MUST_USE;

#endif
