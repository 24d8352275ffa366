/* A model's tokenizer and chat templates on their way into another file: as metadata of GGUF, or as the files of a
 * folder. */
#ifndef INFER_MODEL_WORDS_H
#define INFER_MODEL_WORDS_H

#include "model/kit/model.h"
#include "text/tokenizer.h"

enum { MODEL_WORDS_PAIRS = 48 };

/* A GGUF file's own pairs, or made from a folder's files. *words: the folder's tokenizer, which the pairs point into
 * and the caller frees; it may be open already. The rest lives in `memory` and the model. */
status model_words_pairs(const model *m, arena *memory, tokenizer **words,
                         gguf_pair pairs[MODEL_WORDS_PAIRS], int64_t *count) MUST_USE;
/* tokenizer.json or tokenizer.model, and tokenizer_config.json where there is something to say. */
status model_words_folder(const model *m, arena *memory, const char *folder) MUST_USE;

#endif
