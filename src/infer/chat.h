/* A model's chat template, which of several is the default (text/tokenizer_config.h), with the tokenizer that its
 * text goes to. */
#ifndef INFER_CHAT_H
#define INFER_CHAT_H

#include "model/kit/model.h"
#include "text/template.h"
#include "text/tokenizer.h"

typedef struct chat {
    context *cx;
    arena mem;
    const tokenizer *tokens;
    const char *source; /* of the template; NULL: the model has none */
    template *parsed;
    const char *bos, *eos; /* NULL: none */
} chat;

/* A template that is malformed is an error; that there is none is not. */
status chat_open(context *cx, const char *path, const tokenizer *tokens, chat **out) MUST_USE;
void chat_close(chat *c); /* NULL is fine */

/* Renders and appends the ids. `input` needs no bos_token and eos_token. Refused where the model has no template. */
status chat_encode(const chat *c, const template_input *input, token_list *out) MUST_USE;

/* One message of a conversation, as a value for template_input.messages. */
status chat_message(arena *a, template_value list, const char *role, const char *text,
                    int64_t length) MUST_USE;

#endif
