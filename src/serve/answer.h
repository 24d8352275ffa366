/* What a model wrote, taken apart as it comes: what it says, what it thinks, which tools it calls.
 *
 * Models mark these with tokens of their own, and each family has its dialect. A dialect here is a
 * table of spans, each from an opening mark to a closing one; a reader looks for them in the stream,
 * holds back what may be the start of a mark, and gives the rest away at once. What reads like a call
 * but is none is given back as content, marks included, so that nothing a model wrote is lost. */
#ifndef SERVE_ANSWER_H
#define SERVE_ANSWER_H

#include "text/grow.h"
#include <stdbool.h>

typedef enum answer_part { ANSWER_CONTENT, ANSWER_REASONING } answer_part;

typedef struct answer_sink {
    void (*text)(void *user, answer_part part, const char *bytes, int64_t length);
    /* `arguments` is JSON text. */
    void (*call)(void *user, const char *name, int64_t name_length, const char *arguments,
                 int64_t length);
    void *user;
} answer_sink;

typedef struct answer_dialect answer_dialect;

/* The dialect that a chat template speaks, by the marks it writes; never NULL. */
const answer_dialect *answer_dialect_of(const char *chat_template);
const answer_dialect *answer_dialect_named(const char *name); /* NULL: there is none */
const char *answer_dialect_name(const answer_dialect *d);
/* Whether its marks are special tokens, which the text must then show. */
bool answer_shows_special(const answer_dialect *d);
/* Mistral's templates take ids of nine letters only. */
int answer_id_length(const answer_dialect *d);

typedef struct answer_reader {
    context *cx;
    const answer_dialect *dialect;
    answer_sink sink;
    const struct answer_span *inside; /* NULL: between spans */
    text_buffer held;                 /* not yet told apart; inside a call: all of it so far */
    int64_t blanks;                   /* white space at its start, dropped when a span follows */
    bool tools, trims, has_text;
} answer_reader;

/* `prompt_tail` is the rendered prompt's end: a template may have opened a span already. Without
 * `tools`, calls are content. */
answer_reader answer_begin(context *cx, const answer_dialect *d, bool tools, const char *prompt,
                           int64_t prompt_length, answer_sink sink);
status answer_feed(answer_reader *r, const char *bytes, int64_t length) MUST_USE;
status answer_end(answer_reader *r) MUST_USE;
void answer_free(answer_reader *r);

#endif
