/* The buffer doubles; with a file it is written out whenever it passes 64 KiB. */
#include "base/json_write.h"
#include "base/utf8.h"
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FLUSH_BYTES = 1 << 16 };

json_writer json_writer_to_buffer(context *cx, int32_t indent) {
    return (json_writer){.cx = cx, .indent = indent};
}

json_writer json_writer_to_file(context *cx, FILE *file, int32_t indent) {
    return (json_writer){.cx = cx, .file = file, .indent = indent};
}

void json_writer_free(json_writer *w) {
    context_release(w->cx, w->bytes);
    w->bytes = NULL;
    w->size = w->capacity = 0;
}

static void flush(json_writer *w) {
    if (w->size && fwrite(w->bytes, 1, (size_t)w->size, w->file) != (size_t)w->size)
        w->st = context_fail(w->cx, STATUS_IO, "writing JSON: %s", strerror(errno));
    w->size = 0;
}

/* Room for n bytes and a closing zero. */
static bool reserve(json_writer *w, int64_t n) {
    if (w->st != STATUS_OK) return false;
    if (w->file && w->size + n > FLUSH_BYTES) flush(w);
    if (w->st != STATUS_OK) return false;
    if (w->capacity - w->size > n) return true;
    int64_t capacity = MAX_OF(w->capacity * 2, w->size + n + 256);
    char *bytes = context_alloc(w->cx, (size_t)capacity);
    if (!bytes) {
        w->st = STATUS_NO_MEMORY;
        return false;
    }
    if (w->size) memcpy(bytes, w->bytes, (size_t)w->size);
    context_release(w->cx, w->bytes);
    w->bytes = bytes;
    w->capacity = capacity;
    return true;
}

static void put(json_writer *w, const char *bytes, int64_t n) {
    if (!reserve(w, n)) return;
    if (n) memcpy(w->bytes + w->size, bytes, (size_t)n);
    w->size += n;
}

static void new_line(json_writer *w) {
    int64_t spaces = (int64_t)w->depth * w->indent;
    if (w->indent <= 0 || !reserve(w, spaces + 1)) return;
    w->bytes[w->size++] = '\n';
    memset(w->bytes + w->size, ' ', (size_t)spaces);
    w->size += spaces;
}

static bool top_is_object(const json_writer *w) {
    int32_t i = w->depth - 1;
    return w->depth && (w->in_object[i / 64] >> (i % 64) & 1);
}

static bool misuse(json_writer *w, bool wrong, const char *what) {
    if (wrong && w->st == STATUS_OK)
        w->st = context_fail(w->cx, STATUS_BUG, "writing JSON: %s", what);
    return w->st != STATUS_OK;
}

/* What stands before a value: nothing after a key, else a comma and a new line. */
static bool before_value(json_writer *w) {
    if (misuse(w, top_is_object(w) && !w->after_key, "a value came where a key must come"))
        return false;
    if (misuse(w, !w->depth && w->has_root, "a second value came after the end")) return false;
    if (!w->after_key && w->depth) {
        if (w->has_items) put(w, ",", 1);
        new_line(w);
    }
    w->after_key = false;
    w->has_items = w->has_root = true;
    return w->st == STATUS_OK;
}

static void open_bracket(json_writer *w, bool object) {
    if (!before_value(w)) return;
    if (misuse(w, w->depth == JSON_WRITE_DEPTH, "nested too deeply")) return;
    uint64_t bit = (uint64_t)1 << (w->depth % 64);
    uint64_t *word = &w->in_object[w->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    w->depth++;
    w->has_items = false;
    put(w, object ? "{" : "[", 1);
}

static void close_bracket(json_writer *w, bool object) {
    if (misuse(w, !w->depth || top_is_object(w) != object || w->after_key,
               "a bracket is closed out of turn"))
        return;
    w->depth--;
    if (w->has_items) new_line(w);
    w->has_items = true;
    put(w, object ? "}" : "]", 1);
}

void json_write_object(json_writer *w) {
    open_bracket(w, true);
}

void json_write_object_end(json_writer *w) {
    close_bracket(w, true);
}

void json_write_array(json_writer *w) {
    open_bracket(w, false);
}

void json_write_array_end(json_writer *w) {
    close_bracket(w, false);
}

static void put_escaped(json_writer *w, unsigned char c) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    char text[8];
    const char *hit = c ? strchr(from, c) : NULL;
    if (hit) {
        text[0] = '\\';
        text[1] = to[hit - from];
        put(w, text, 2);
    } else {
        snprintf(text, sizeof text, "\\u%04x", c);
        put(w, text, 6);
    }
}

static void put_quoted(json_writer *w, const char *bytes, int64_t length) {
    const char *p = bytes, *end = bytes + length, *start = bytes;
    put(w, "\"", 1);
    while (p < end && w->st == STATUS_OK) {
        unsigned char c = (unsigned char)*p;
        int n = utf8_length(p, end);
        if (!n) {
            w->st = context_fail(w->cx, STATUS_BAD_DATA,
                                 "writing JSON: byte %lld of a string is not UTF-8",
                                 (long long)(p - bytes));
            return;
        }
        if (c >= 32 && c != '"' && c != '\\') {
            p += n;
            continue;
        }
        put(w, start, p - start);
        put_escaped(w, c);
        start = ++p;
    }
    put(w, start, p - start);
    put(w, "\"", 1);
}

void json_write_key_text(json_writer *w, const char *bytes, int64_t length) {
    if (misuse(w, !top_is_object(w) || w->after_key, "a key came where a value must come")) return;
    if (w->has_items) put(w, ",", 1);
    new_line(w);
    put_quoted(w, bytes, length);
    put(w, ": ", w->indent > 0 ? 2 : 1);
    w->after_key = true;
    w->has_items = true;
}

void json_write_key(json_writer *w, const char *key) {
    json_write_key_text(w, key, (int64_t)strlen(key));
}

void json_write_text(json_writer *w, const char *bytes, int64_t length) {
    if (before_value(w)) put_quoted(w, bytes, length);
}

void json_write_string(json_writer *w, const char *text) {
    json_write_text(w, text, (int64_t)strlen(text));
}

void json_write_integer(json_writer *w, int64_t v) {
    char text[32];
    int n = snprintf(text, sizeof text, "%" PRId64, v);
    if (before_value(w)) put(w, text, n);
}

int json_format_number(double v, char *out) {
    const char *point = localeconv()->decimal_point;
    size_t point_bytes = strlen(point);
    char text[48];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, v);
        if (strtod(text, NULL) == v) break;
    }
    char *hit = strcmp(point, ".") ? strstr(text, point) : NULL;
    if (hit) {
        *hit = '.';
        memmove(hit + 1, hit + point_bytes, strlen(hit + point_bytes) + 1);
    }
    if (!strpbrk(text, ".e")) strcat(text, ".0");
    int n = (int)strlen(text);
    memcpy(out, text, (size_t)n + 1);
    return n;
}

void json_write_number(json_writer *w, double v) {
    if (w->st == STATUS_OK && !isfinite(v))
        w->st =
            context_fail(w->cx, STATUS_BAD_ARGUMENT, "writing JSON: %g is not a JSON number", v);
    if (!before_value(w)) return;
    char text[32];
    put(w, text, json_format_number(v, text));
}

void json_write_bool(json_writer *w, bool v) {
    if (before_value(w)) put(w, v ? "true" : "false", v ? 4 : 5);
}

void json_write_null(json_writer *w) {
    if (before_value(w)) put(w, "null", 4);
}

void json_write_raw(json_writer *w, const char *bytes, int64_t length) {
    if (before_value(w)) put(w, bytes, length);
}

void json_write_string_field(json_writer *w, const char *key, const char *text) {
    json_write_key(w, key);
    json_write_string(w, text);
}

void json_write_integer_field(json_writer *w, const char *key, int64_t v) {
    json_write_key(w, key);
    json_write_integer(w, v);
}

void json_write_number_field(json_writer *w, const char *key, double v) {
    json_write_key(w, key);
    json_write_number(w, v);
}

void json_write_bool_field(json_writer *w, const char *key, bool v) {
    json_write_key(w, key);
    json_write_bool(w, v);
}

static void finish_file(json_writer *w) {
    flush(w);
    if (w->st == STATUS_OK && fflush(w->file))
        w->st = context_fail(w->cx, STATUS_IO, "writing JSON: %s", strerror(errno));
}

status json_writer_finish(json_writer *w) {
    if (!misuse(w, w->depth || !w->has_root, "the value is not whole at its end")) {
        if (w->file || w->indent > 0) put(w, "\n", 1);
        if (w->file) finish_file(w);
        if (!w->file && w->st == STATUS_OK) w->bytes[w->size] = 0;
    }
    if (w->file) json_writer_free(w);
    return w->st;
}
