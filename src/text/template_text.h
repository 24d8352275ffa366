/* Text as Python sees it: code points, its white space, its notation of numbers; and a growing buffer. */
#ifndef TEXT_TEMPLATE_TEXT_H
#define TEXT_TEMPLATE_TEXT_H

#include "text/template_value.h"

/* The code point at `text`, its length in `*bytes` (a byte that starts none counts as itself). */
uint32_t template_decode(const char *text, int64_t length_bytes, int *bytes);
bool template_is_space(uint32_t code);
int64_t template_count_codes(const char *text, int64_t length_bytes);
/* The byte where the code point number `index` starts (the end for an index past it). */
int64_t template_code_offset(const char *text, int64_t length_bytes, int64_t index);
/* Cuts white space, or the code points of `chars` when not NULL, at the ends asked for. */
template_value template_strip(template_value s, const template_value *chars, bool left, bool right);
/* The byte where `needle` starts at or after `from`, or -1. */
int64_t template_find(template_value s, template_value needle, int64_t from);

/* Python's repr of a float: the shortest digits that read back as the same number. */
int template_format_float(double number, char out[32]);

typedef struct template_buffer {
    arena *a;
    char *text;
    int64_t length_bytes, capacity_bytes;
    int64_t limit_bytes; /* 0: none */
    const int32_t *line; /* of the node at work, for the error */
} template_buffer;

status template_put(template_buffer *b, const char *text, int64_t length_bytes);
status template_puts(template_buffer *b, const char *text);
template_value template_buffer_string(const template_buffer *b);

#endif
