/* The parts of tokenizer.json, one function each; what is not understood is refused by name. */
#ifndef TEXT_TOKENIZER_JSON_H
#define TEXT_TOKENIZER_JSON_H

#include "text/tokenizer_parts.h"
#include "text/tree.h"

status tokenizer_json_model(tokenizer *t, json *j) MUST_USE;
status tokenizer_json_added(tokenizer *t, const tree *list) MUST_USE;
status tokenizer_json_normalizer(tokenizer *t, const tree *part) MUST_USE;
status tokenizer_json_pretokenizer(tokenizer *t, const tree *part) MUST_USE;
status tokenizer_json_processor(tokenizer *t, const tree *part) MUST_USE;
status tokenizer_json_decoder(tokenizer *t, const tree *part) MUST_USE;

#endif
