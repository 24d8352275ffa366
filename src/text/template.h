/* Chat templates: the Jinja2 that models ship, rendered as transformers renders it.
 *
 * The language is that of an immutable sandboxed Jinja2 environment with trim_blocks, lstrip_blocks and
 * loop controls: if, for, set, macro, call, filter, with, raw, generation, break, continue; namespaces;
 * the filters, tests and methods of strings, lists and dicts that published templates use; tojson as
 * json.dumps writes it; raise_exception and strftime_now. What is outside of it is refused by name with
 * its line. A template cannot reach anything but the values it is given, and cannot change them.
 *
 *     template *t;
 *     TRY(template_parse(cx, source, source_bytes, &t));
 *     TRY(template_render(t, a, &(template_input){.messages = messages, .bos_token = "<s>",
 *                                                 .add_generation_prompt = true}, &text));
 *
 * A parsed template is constant: one may be rendered by several threads, each with its own arena. */
#ifndef TEXT_TEMPLATE_H
#define TEXT_TEMPLATE_H

#include "text/template_value.h"

typedef struct template template;

/* Zero means the default. */
typedef struct template_limits {
    int64_t steps;        /* nodes evaluated, and a step for each 64 bytes moved; 20 million */
    int64_t output_bytes; /* of the text and of every string on its way; 16 MiB */
    int64_t memory_bytes; /* taken from the arena; 256 MiB */
    int32_t depth;        /* of macros and nested nodes; 1000 */
} template_limits;

typedef struct template_input {
    template_value messages;
    template_value tools, documents; /* left undefined, templates see none */
    bool add_generation_prompt;
    const char *bos_token, *eos_token; /* NULL: undefined in the template */
    template_value extra;              /* a dict of further variables, or undefined */
    int64_t now_seconds;               /* what strftime_now shows, in local time; 0: the present */
    template_limits limits;
} template_input;

typedef struct template_text {
    const char *text; /* in the arena, closed by a NUL */
    int64_t length_bytes;
    bool has_bos; /* starts with bos_token: the tokenizer must not add it again */
} template_text;

status template_parse(context *cx, const char *source, int64_t source_bytes,
                      template **out) MUST_USE;
void template_free(template *t);
/* The values stay the caller's; the text and all that is needed on the way is taken from `a`. What a
 * template says by raise_exception is a bad argument. */
status template_render(const template *t, arena *a, const template_input *input,
                       template_text *out) MUST_USE;

#endif
