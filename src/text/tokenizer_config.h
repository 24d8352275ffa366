/* What a model says beside its tokenizer: which tokens begin and end, stand for the unknown and pad, and its chat
 * templates.
 *   folder  tokenizer_config.json, and chat_template.jinja, which goes before the templates in it
 *   GGUF    tokenizer.ggml.*_token_id and the texts of these ids; tokenizer.chat_template, and
 *           tokenizer.chat_template.NAME where there are several */
#ifndef TEXT_TOKENIZER_CONFIG_H
#define TEXT_TOKENIZER_CONFIG_H

#include "base/arena.h"
#include "store/gguf.h"
#include "text/tokenizer.h"

typedef enum token_role { TOKEN_BOS, TOKEN_EOS, TOKEN_UNK, TOKEN_PAD, TOKEN_ROLES } token_role;

typedef struct named_template {
    const char *name; /* NULL: the only one */
    const char *text; /* closed by a zero */
    int64_t length;
    struct named_template *next;
} named_template;

typedef struct tokenizer_config {
    const char *token[TOKEN_ROLES]; /* NULL: none */
    named_template *templates;
    const char *source; /* the file with the templates */
    int64_t positions;  /* 0: not said */
} tokenizer_config;

/* The files may be absent; what is in them lives in `memory`. */
status tokenizer_config_read(context *cx, arena *memory, const char *folder,
                             tokenizer_config *out) MUST_USE;
/* `t` is the file's tokenizer, NULL: only the templates are asked for; `path` is what errors call the file. */
status tokenizer_config_of_gguf(context *cx, arena *memory, const char *path, const gguf *g,
                                const tokenizer *t, tokenizer_config *out) MUST_USE;
/* Sets the tokens to the texts of these ids, of which -1 is none. */
status tokenizer_config_tokens(context *cx, arena *memory, const tokenizer *t,
                               const int64_t id[TOKEN_ROLES], tokenizer_config *out) MUST_USE;
/* Writes FOLDER/tokenizer_config.json, with the class that takes tokenizer.json as it is: left to itself
 * transformers takes the model type's own, which may cut words its own way. */
status tokenizer_config_write(context *cx, const char *folder, const tokenizer_config *c) MUST_USE;

/* Copies the files that say it from one folder to the other; `configured`: tokenizer_config.json was among them. */
status tokenizer_config_copy(context *cx, arena *memory, const char *from, const char *to,
                             bool *configured) MUST_USE;

/* The template that is taken where none is named: "default", else the first; NULL: there is none. */
const named_template *tokenizer_config_template(const tokenizer_config *c);

#endif
