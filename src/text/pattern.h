/* A regular expression of a tokenizer: the published ones are scanned by hand (scan.h), a plain
 * string is searched, any other goes to PCRE2 with limits on its size, on steps and on memory. */
#ifndef TEXT_PATTERN_H
#define TEXT_PATTERN_H

#include "text/scan.h"

typedef struct pattern {
    context *cx;
    char *text; /* as it was given */
    int64_t text_bytes;
    bool literal;          /* or */
    const scan_rule *rule; /* or */
    void *code;            /* pcre2_code */
} pattern;

/* A run of bytes [from, to) that is a match or lies between matches. */
typedef struct text_span {
    int64_t from, to;
    bool match;
} text_span;
typedef struct span_list {
    context *cx;
    text_span *spans;
    int64_t count, capacity;
} span_list;

status span_append(span_list *l, int64_t from, int64_t to, bool match) MUST_USE;
void span_free(span_list *l);

status pattern_open(pattern *p, context *cx, const char *regex, int64_t length) MUST_USE;
status pattern_open_literal(pattern *p, context *cx, const char *text, int64_t length) MUST_USE;
void pattern_close(pattern *p);

/* Appends the whole text as spans in order, matches and what is between them. Empty matches are
 * passed over. */
status pattern_split(const pattern *p, const char *text, int64_t length, span_list *out) MUST_USE;

#endif
