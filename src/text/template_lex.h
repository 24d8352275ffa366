/* From source to tokens, with the whitespace rules of Jinja2 under trim_blocks and lstrip_blocks:
 *   - one newline after `%}` or `#}` goes; spaces and tabs before `{%` or `{#` at a line's start go;
 *   - `-` beside a delimiter takes all whitespace there, `+` keeps what the first rule would take;
 *   - line ends become \n, and the last one of the source goes. */
#ifndef TEXT_TEMPLATE_LEX_H
#define TEXT_TEMPLATE_LEX_H

#include "text/template_value.h"

typedef enum template_token_kind {
    TOKEN_END,
    TOKEN_TEXT,
    TOKEN_PRINT_BEGIN,
    TOKEN_PRINT_END,
    TOKEN_TAG_BEGIN,
    TOKEN_TAG_END,
    TOKEN_NAME,
    TOKEN_VALUE,    /* a number or a string */
    TOKEN_OPERATOR, /* `text` holds it */
} template_token_kind;

typedef struct template_token {
    template_token_kind kind;
    int32_t line;
    const char *text; /* interned for names and operators: equal text, equal pointer */
    template_value value;
} template_token;

typedef struct template_tokens {
    template_token *items; /* closed by TOKEN_END */
    int64_t count, capacity;
    struct template_name **names;
    int64_t name_count, name_slots;
} template_tokens;

status template_lex(arena *a, const char *source, int64_t source_bytes, template_tokens *out);
/* One pointer per spelling; NULL has been reported. */
const char *template_intern(arena *a, template_tokens *tokens, const char *text,
                            int64_t length_bytes);

#endif
