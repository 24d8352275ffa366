/* Normalisers: a chain of steps that rewrite text before it is cut into words. */
#ifndef TEXT_NORMAL_H
#define TEXT_NORMAL_H

#include "text/pattern.h"

typedef enum normal_kind {
    NORMAL_FORM, /* NFC, NFD, NFKC, NFKD */
    NORMAL_LOWER,
    NORMAL_STRIP_ACCENTS, /* drops marks */
    NORMAL_STRIP,         /* white space at the ends */
    NORMAL_REPLACE,       /* each match of a pattern by a string */
    NORMAL_PREPEND,       /* a string in front of text that is not empty */
    NORMAL_BERT,          /* BERT's cleaning */
    NORMAL_CHARSMAP,      /* SentencePiece's compiled map (charsmap.h) */
    NORMAL_NMT,           /* SentencePiece's control characters and spaces */
    NORMAL_SQUEEZE,       /* runs of spaces become one, at the ends none */
} normal_kind;

typedef struct normal {
    normal_kind kind;
    unicode_form form;
    bool left, right;                    /* STRIP */
    bool clean, chinese, accents, lower; /* BERT */
    pattern pattern;                     /* REPLACE */
    const char *text;                    /* REPLACE, PREPEND; CHARSMAP: the map */
    int64_t length;
} normal;

enum { NORMAL_MAX_STEPS = 16 };

typedef struct normal_work {
    text_buffer text[2];
    span_list spans;
} normal_work;

void normal_work_init(normal_work *w, context *cx);
void normal_work_free(normal_work *w);

/* *text becomes the result, which lies in the caller's memory (nothing to do) or in the work's. */
status normal_run(const normal *steps, int64_t count, normal_work *w, const char **text,
                  int64_t *length) MUST_USE;

/* Checks that a compiled map is whole. */
status normal_check_charsmap(context *cx, const char *map, int64_t length) MUST_USE;

#endif
