/* A tokenizer as tokenizer.json, whatever file it was read from. */
#ifndef TEXT_TOKENIZER_JSON_WRITE_H
#define TEXT_TOKENIZER_JSON_WRITE_H

#include "base/json_write.h"
#include "text/tokenizer_parts.h"

/* Appends the file's text, which opens in the `tokenizers` library and gives the same ids there. */
status tokenizer_to_json(const tokenizer *t, text_buffer *out) MUST_USE;

/* The values of "normalizer", "pre_tokenizer" and "decoder". */
void tokenizer_write_normalizer(json_writer *j, const tokenizer *t);
void tokenizer_write_pretokenizer(json_writer *j, const tokenizer *t);
void tokenizer_write_decoder(json_writer *j, const tokenizer *t);

/* The merges of a BPE model, `count` of them in the order in which they join. */
status tokenizer_merges(const tokenizer *t, arena *memory, const bpe_merge **out,
                        int64_t *count) MUST_USE;

#endif
