/* Pre-tokenisation: a chain of steps that cut text into the words a model encodes one by one. A
 * step sees each piece of the step before it as a text of its own. */
#ifndef TEXT_PRETOKEN_H
#define TEXT_PRETOKEN_H

#include "text/pattern.h"

typedef enum pretoken_kind {
    PRETOKEN_PATTERN,     /* cut at the matches of a pattern */
    PRETOKEN_SPACES,      /* cut at white space */
    PRETOKEN_WORDS,       /* \w+|[^\w\s]+ */
    PRETOKEN_PUNCTUATION, /* cut at each ASCII or Unicode punctuation character */
    PRETOKEN_DIGITS,      /* cut at numbers */
    PRETOKEN_METASPACE,   /* spaces become a visible mark, which begins words */
    PRETOKEN_LEAD_SPACE,  /* a space in front where there is none */
} pretoken_kind;

/* What becomes of a match. */
typedef enum pretoken_behavior {
    PRETOKEN_ISOLATED,
    PRETOKEN_REMOVED,
    PRETOKEN_WITH_PREVIOUS,
    PRETOKEN_WITH_NEXT,
    PRETOKEN_CONTIGUOUS, /* neighbours of one kind are one piece */
} pretoken_behavior;

typedef enum pretoken_scheme { PRETOKEN_NEVER, PRETOKEN_FIRST, PRETOKEN_ALWAYS } pretoken_scheme;

typedef struct pretoken {
    pretoken_kind kind;
    pretoken_behavior behavior;
    bool invert; /* matches and what is between them change places */
    pattern pattern;
    char mark[8]; /* METASPACE */
    int32_t mark_bytes;
    pretoken_scheme scheme;
    bool split;
} pretoken;

enum { PRETOKEN_MAX_STEPS = 16 };

/* Memory of one thread. */
typedef struct pretoken_work {
    span_list spans[PRETOKEN_MAX_STEPS];
    text_buffer text[PRETOKEN_MAX_STEPS];
} pretoken_work;

typedef struct pretoken_sink {
    status (*word)(void *state, const char *text, int64_t length);
    void *state;
} pretoken_sink;

void pretoken_work_init(pretoken_work *w, context *cx);
void pretoken_work_free(pretoken_work *w);

/* `first`: the text begins the caller's input. Words come in order; a word's memory lasts for the
 * call of the sink. */
status pretoken_run(const pretoken *steps, int64_t count, pretoken_work *w, const char *text,
                    int64_t length, bool first, pretoken_sink sink) MUST_USE;

bool pretoken_is_punctuation(uint32_t c);

#endif
