/* A public tokenizer: of its own, or part of a model. */
#ifndef API_TOKENS_H
#define API_TOKENS_H

#include "api/handle.h"
#include "hone/model.h"
#include "text/tokenizer.h"

struct hone_tokenizer {
    hone_context *h;
    tokenizer *tokens;
    encoder *encoder;
};

status tokens_open(hone_context *h, const char *path, hone_tokenizer *out) MUST_USE;
void tokens_close(hone_tokenizer *t); /* fine on a zeroed one */
/* Copies what fits of a list to the caller's memory, frees the list and returns its length, or -1 after an error. */
int64_t tokens_give(status st, token_list *list, int32_t *ids, int64_t room);

#endif
