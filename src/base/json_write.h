/* Writes JSON to a growing buffer or a FILE, compact or indented. Commas, quotes, escapes and
 * numbers are the writer's business; the caller says what comes.
 *
 * Errors stick: every call after the first error does nothing, and json_writer_finish tells.
 * Doubles are written in the fewest digits that read back equal, and keep a point or an exponent,
 * so that a float stays a float. Refused: NaN and infinities, strings that are not UTF-8, a value
 * where a key must come (and the reverse), brackets left open. */
#ifndef BASE_JSON_WRITE_H
#define BASE_JSON_WRITE_H

#include "base/status.h"
#include <stdbool.h>
#include <stdio.h>

enum { JSON_WRITE_DEPTH = 256 };

typedef struct json_writer {
    context *cx;
    FILE *file; /* NULL: everything stays in `bytes` */
    char *bytes;
    int64_t size, capacity;
    int32_t indent; /* spaces per level; 0: one line */
    int32_t depth;
    bool after_key, has_items, has_root;
    status st;
    uint64_t in_object[JSON_WRITE_DEPTH / 64];
} json_writer;

json_writer json_writer_to_buffer(context *cx, int32_t indent);
/* The file stays the caller's; it is not closed. */
json_writer json_writer_to_file(context *cx, FILE *file, int32_t indent);
/* Ends the text: checks that one whole value was written and closes a file's text (and an indented buffer's) with a
 * newline. A writer to a file is then over, whatever came of it. A buffer, zero-closed, is in `bytes` until
 * json_writer_free. */
status json_writer_finish(json_writer *w) MUST_USE;
void json_writer_free(json_writer *w);

void json_write_object(json_writer *w);
void json_write_object_end(json_writer *w);
void json_write_array(json_writer *w);
void json_write_array_end(json_writer *w);
void json_write_key(json_writer *w, const char *key);
void json_write_key_text(json_writer *w, const char *bytes, int64_t length);
void json_write_string(json_writer *w, const char *text);
void json_write_text(json_writer *w, const char *bytes, int64_t length);
void json_write_integer(json_writer *w, int64_t v);
void json_write_number(json_writer *w, double v);
void json_write_bool(json_writer *w, bool v);
void json_write_null(json_writer *w);
/* One whole value that is JSON already; it is not checked. */
void json_write_raw(json_writer *w, const char *bytes, int64_t length);

/* Key and value. */
void json_write_string_field(json_writer *w, const char *key, const char *text);
void json_write_integer_field(json_writer *w, const char *key, int64_t v);
void json_write_number_field(json_writer *w, const char *key, double v);
void json_write_bool_field(json_writer *w, const char *key, bool v);

/* The shortest decimal that reads back as v, which is finite; a whole number with ".0". `out` holds at least 32
 * bytes; returns the length. */
int json_format_number(double v, char *out);

#endif
