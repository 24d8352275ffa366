/* One state says what may come next, one bit per open bracket says which bracket it is. Plain text
 * is passed eight bytes at a time; bytes from 128 up go through the UTF-8 check of base/utf8.h.
 * Numbers of up to 19 digits with a power of ten up to 22 are exact in one multiplication or
 * division (W. D. Clinger, "How to read floating point numbers accurately", 1990); others go
 * through strtod. */
#include "base/json.h"
#include "base/utf8.h"
#include <assert.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXPECT_VALUE,
    EXPECT_ITEM_OR_END,
    EXPECT_KEY,
    EXPECT_KEY_OR_END,
    EXPECT_COMMA_OR_END,
    EXPECT_END
};
enum { NUMBER_BYTES = 512 };

json json_make(context *cx, const char *name, const char *bytes, int64_t size_bytes,
               const json_limits *limits) {
    json j = {.cx = cx};
    if (limits) j.limits = *limits;
    if (j.limits.depth <= 0) j.limits.depth = 128;
    if (j.limits.depth > JSON_MAX_DEPTH) j.limits.depth = JSON_MAX_DEPTH;
    if (j.limits.size_bytes <= 0) j.limits.size_bytes = (int64_t)1 << 30;
    if (j.limits.string_bytes <= 0) j.limits.string_bytes = (int64_t)1 << 28;
    json_restart(&j, name, bytes, size_bytes);
    return j;
}

void json_free(json *j) {
    context_release(j->cx, j->key.bytes);
    context_release(j->cx, j->string.bytes);
    j->key = j->string = (json_buffer){0};
}

void json_restart(json *j, const char *name, const char *bytes, int64_t size_bytes) {
    j->name = name;
    j->begin = j->at = j->token_at = bytes;
    j->end = size_bytes > 0 ? bytes + size_bytes : bytes;
    j->depth = 0;
    j->expect = EXPECT_VALUE;
}

static status vfail_at(const json *j, const char *at, status code, const char *fmt, va_list args) {
    int64_t line = 1;
    for (const char *p = j->begin; p < at && (p = memchr(p, '\n', (size_t)(at - p))); p++) line++;
    context_vfail(j->cx, code, fmt, args);
    return context_note(j->cx, code, "'%s' at byte %lld, line %lld", j->name,
                        (long long)(at - j->begin), (long long)line);
}

PRINTF_LIKE(3, 4) static status fail_at(json *j, const char *at, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    status st = vfail_at(j, at, STATUS_BAD_DATA, fmt, args);
    va_end(args);
    return st;
}

status json_fail(const json *j, status code, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    status st = vfail_at(j, j->token_at, code, fmt, args);
    va_end(args);
    return st;
}

bool json_is(json_text text, const char *literal) {
    size_t length = strlen(literal);
    return (size_t)text.length == length && !memcmp(text.bytes, literal, length);
}

static void skip_space(json *j) {
    const char *p = j->at;
    while (p < j->end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) p++;
    j->at = p;
}

static bool top_is_object(const json *j) {
    int32_t i = j->depth - 1;
    return j->in_object[i / 64] >> (i % 64) & 1;
}

/* ---- strings ---- */

/* The first byte at or after p that is a quote, a backslash, below 32 or above 127. */
static const char *plain_end(const char *p, const char *end) {
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    while (end - p >= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
        uint64_t stop = ((quote - ones) | (slash - ones) | (w - ones * 32) | w) & tops;
        if (stop) break;
        p += 8;
    }
    while (p < end) {
        unsigned char c = (unsigned char)*p;
        if (c < 32 || c > 127 || c == '"' || c == '\\') break;
        p++;
    }
    return p;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Four hexadecimal digits at p, or -1. */
static int32_t hex_four(const char *p, const char *end) {
    if (end - p < 4) return -1;
    int32_t v = 0;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(p[i]);
        if (d < 0) return -1;
        v = v * 16 + d;
    }
    return v;
}

/* Decodes the escape at *at (just after its backslash) to out; *at moves past it. */
static status decode_escape(json *j, const char **at, char **out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *p = *at;
    if (p == j->end) return fail_at(j, p, "the text ends inside a string");
    if (*p != 'u') {
        const char *hit = *p ? strchr(from, *p) : NULL;
        if (!hit) return fail_at(j, p - 1, "unknown escape in a string");
        *(*out)++ = to[hit - from];
        *at = p + 1;
        return STATUS_OK;
    }
    int32_t code = hex_four(p + 1, j->end);
    if (code < 0) return fail_at(j, p - 1, "\\u needs four hexadecimal digits");
    p += 5;
    if (code >= 0xDC00 && code <= 0xDFFF)
        return fail_at(j, p - 6, "lone low surrogate in a string");
    if (code >= 0xD800 && code <= 0xDBFF) {
        int32_t low = j->end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex_four(p + 2, j->end) : -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return fail_at(j, p - 6, "lone high surrogate in a string");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        p += 6;
    }
    *out += utf8_encode((uint32_t)code, *out);
    *at = p;
    return STATUS_OK;
}

/* The closing quote of the string whose first byte is p; its plain bytes are checked on the way. */
static status find_close(json *j, const char *p, const char **close, bool *escaped) {
    const char *start = p;
    *escaped = false;
    for (;;) {
        p = plain_end(p, j->end);
        if (p == j->end) return fail_at(j, start - 1, "this string is not closed");
        unsigned char c = (unsigned char)*p;
        if (c == '"') break;
        if (c == '\\') {
            *escaped = true;
            p += j->end - p >= 2 ? 2 : 1;
        } else if (c < 32) {
            return fail_at(j, p, "control character 0x%02x in a string", c);
        } else {
            int n = utf8_length(p, j->end);
            if (!n) return fail_at(j, p, "invalid UTF-8 in a string");
            p += n;
        }
        if (p - start > j->limits.string_bytes)
            return fail_at(j, start - 1, "a string is longer than the limit of %lld bytes",
                           (long long)j->limits.string_bytes);
    }
    if (p - start > j->limits.string_bytes)
        return fail_at(j, start - 1, "a string is longer than the limit of %lld bytes",
                       (long long)j->limits.string_bytes);
    *close = p;
    return STATUS_OK;
}

static status buffer_reserve(context *cx, json_buffer *b, int64_t need) {
    if (b->capacity >= need) return STATUS_OK;
    int64_t capacity = MAX_OF(need, 2 * b->capacity);
    char *bytes = context_alloc(cx, (size_t)capacity);
    if (!bytes) return STATUS_NO_MEMORY;
    context_release(cx, b->bytes);
    *b = (json_buffer){bytes, capacity};
    return STATUS_OK;
}

/* The reader stands on the opening quote. */
static status read_string(json *j, json_buffer *buffer, json_text *out) {
    const char *p = j->at + 1, *close = p;
    bool escaped;
    TRY(find_close(j, p, &close, &escaped));
    if (!escaped) {
        *out = (json_text){p, close - p};
        j->at = close + 1;
        return STATUS_OK;
    }
    TRY(buffer_reserve(j->cx, buffer, close - p)); /* no escape decodes to more than it takes */
    char *write = buffer->bytes;
    while (p < close) {
        const char *slash = memchr(p, '\\', (size_t)(close - p));
        int64_t n = (slash ? slash : close) - p;
        memcpy(write, p, (size_t)n);
        write += n;
        p += n;
        if (!slash) break;
        p++;
        TRY(decode_escape(j, &p, &write));
    }
    *out = (json_text){buffer->bytes, write - buffer->bytes};
    j->at = close + 1;
    return STATUS_OK;
}

/* ---- numbers ---- */

static bool is_digit(const char *p, const char *end) {
    return p < end && *p >= '0' && *p <= '9';
}

/* strtod reads the decimal point of the current locale. */
static status number_by_strtod(json *j, const char *start, int64_t length, double *out) {
    if (length >= NUMBER_BYTES)
        return fail_at(j, start, "a number is longer than the limit of %d bytes", NUMBER_BYTES - 1);
    char copy[NUMBER_BYTES + 16];
    const char *point = localeconv()->decimal_point;
    int64_t n = 0;
    for (int64_t i = 0; i < length; i++) {
        if (start[i] != '.') {
            copy[n++] = start[i];
            continue;
        }
        for (const char *p = point; *p && n < NUMBER_BYTES + 8; p++) copy[n++] = *p;
    }
    copy[n] = 0;
    *out = strtod(copy, NULL);
    if (isinf(*out)) return fail_at(j, start, "a number is outside the range of a double");
    return STATUS_OK;
}

static status read_number(json *j, json_token *t) {
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *start = j->at, *p = start, *end = j->end;
    bool negative = *p == '-';
    if (negative) p++;
    if (!is_digit(p, end)) return fail_at(j, start, "a number needs a digit after its sign");
    if (*p == '0' && is_digit(p + 1, end))
        return fail_at(j, start, "a number starts with a needless 0");
    uint64_t digits = 0;
    int32_t scale = 0;
    const char *first = p;
    for (; is_digit(p, end); p++) digits = digits * 10 + (uint64_t)(*p - '0');
    int64_t n_digits = p - first;
    bool whole = true;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        if (!is_digit(p, end)) return fail_at(j, start, "a number needs a digit after its point");
        for (; is_digit(p, end); p++) digits = digits * 10 + (uint64_t)(*p - '0');
        n_digits += p - fraction;
        scale = (int32_t)MAX_OF(fraction - p, -100000);
        whole = false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        bool down = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+')) p++;
        if (!is_digit(p, end)) return fail_at(j, start, "a number needs a digit in its exponent");
        int32_t e = 0;
        for (; is_digit(p, end); p++) e = e < 100000 ? e * 10 + (*p - '0') : e;
        scale += down ? -e : e;
        whole = false;
    }
    t->kind = JSON_NUMBER;
    t->text = (json_text){start, p - start};
    if (n_digits > 19 || digits > (uint64_t)1 << 53 || scale < -22 || scale > 22) {
        TRY(number_by_strtod(j, start, p - start, &t->number));
    } else {
        double v = scale < 0 ? (double)digits / tens[-scale] : (double)digits * tens[scale];
        t->number = negative ? -v : v;
    }
    t->is_integer = whole && n_digits <= 19 && digits <= (uint64_t)INT64_MAX + negative;
    t->integer = t->is_integer ? (int64_t)(negative ? 0 - digits : digits) : 0;
    j->at = p;
    return STATUS_OK;
}

/* ---- values ---- */

static bool take_word(json *j, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(j->end - j->at) < length || memcmp(j->at, word, length)) return false;
    j->at += length;
    return true;
}

static status read_word(json *j, json_token *t) {
    const char *start = j->at;
    if (take_word(j, "null")) {
        t->kind = JSON_NULL;
    } else if (take_word(j, "true")) {
        t->kind = JSON_BOOL;
        t->truth = true;
    } else if (take_word(j, "false")) {
        t->kind = JSON_BOOL;
        t->truth = false;
    } else if (j->limits.allow_nonfinite &&
               (take_word(j, "NaN") || take_word(j, "Infinity") || take_word(j, "-Infinity"))) {
        *t = (json_token){.kind = JSON_NUMBER,
                          .number = *start == 'N'   ? NAN
                                    : *start == '-' ? -INFINITY
                                                    : INFINITY,
                          .text = {start, j->at - start}};
    } else {
        unsigned char c = (unsigned char)*start;
        if (c > 32 && c < 127) return fail_at(j, start, "expected a value, found '%c'", c);
        return fail_at(j, start, "expected a value, found byte 0x%02x", c);
    }
    return STATUS_OK;
}

static status open_bracket(json *j, json_token *t, bool object) {
    if (j->depth == j->limits.depth)
        return fail_at(j, j->at, "nested deeper than the limit of %d", j->limits.depth);
    uint64_t bit = (uint64_t)1 << (j->depth % 64);
    uint64_t *word = &j->in_object[j->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    j->depth++;
    j->at++;
    j->expect = object ? EXPECT_KEY_OR_END : EXPECT_ITEM_OR_END;
    t->kind = object ? JSON_OBJECT : JSON_ARRAY;
    return STATUS_OK;
}

static status close_bracket(json *j, json_token *t) {
    t->kind = top_is_object(j) ? JSON_OBJECT_END : JSON_ARRAY_END;
    j->at++;
    j->depth--;
    j->expect = j->depth ? EXPECT_COMMA_OR_END : EXPECT_END;
    return STATUS_OK;
}

static status read_value(json *j, json_token *t) {
    char c = *j->at;
    if (c == '{' || c == '[') return open_bracket(j, t, c == '{');
    status st;
    if (c == '"') {
        t->kind = JSON_STRING;
        st = read_string(j, &j->string, &t->text);
    } else if ((c >= '0' && c <= '9') || (c == '-' && !(j->end - j->at > 1 && j->at[1] == 'I'))) {
        st = read_number(j, t);
    } else {
        st = read_word(j, t);
    }
    if (st == STATUS_OK) j->expect = j->depth ? EXPECT_COMMA_OR_END : EXPECT_END;
    return st;
}

static status read_key(json *j, json_token *t) {
    if (*j->at != '"') return fail_at(j, j->at, "expected a key in quotes");
    const char *start = j->at;
    t->kind = JSON_KEY;
    TRY(read_string(j, &j->key, &t->text));
    skip_space(j);
    if (j->at == j->end || *j->at != ':') {
        const char *at = j->at;
        j->at = start;
        return fail_at(j, at, "expected ':' after a key");
    }
    j->at++;
    j->expect = EXPECT_VALUE;
    return STATUS_OK;
}

/* Moves to the next token's first byte, over the comma before it; false at the end of the text. */
static status approach(json *j, bool *present) {
    *present = true;
    if (j->end - j->begin > j->limits.size_bytes)
        return fail_at(j, j->begin, "%lld bytes are over the limit of %lld",
                       (long long)(j->end - j->begin), (long long)j->limits.size_bytes);
    skip_space(j);
    if (j->expect == EXPECT_END) {
        if (j->at < j->end) return fail_at(j, j->at, "something follows the end of the value");
        *present = false;
        return STATUS_OK;
    }
    if (j->at == j->end)
        return fail_at(j, j->at,
                       j->depth || j->expect != EXPECT_VALUE ? "the text ends too early"
                                                             : "the text is empty");
    if (j->expect != EXPECT_COMMA_OR_END) return STATUS_OK;
    bool object = top_is_object(j);
    if (*j->at == (object ? '}' : ']')) return STATUS_OK;
    if (*j->at != ',') return fail_at(j, j->at, "expected ',' or '%c'", object ? '}' : ']');
    j->at++;
    j->expect = object ? EXPECT_KEY : EXPECT_VALUE;
    skip_space(j);
    if (j->at == j->end) return fail_at(j, j->at, "the text ends too early");
    return STATUS_OK;
}

status json_next(json *j, json_token *t) {
    bool present;
    TRY(approach(j, &present));
    j->token_at = j->at;
    if (!present) {
        t->kind = JSON_END;
        return STATUS_OK;
    }
    switch (j->expect) {
    case EXPECT_KEY_OR_END:
        if (*j->at == '}') return close_bracket(j, t);
        return read_key(j, t);
    case EXPECT_KEY:
        return read_key(j, t);
    case EXPECT_ITEM_OR_END:
        if (*j->at == ']') return close_bracket(j, t);
        return read_value(j, t);
    case EXPECT_COMMA_OR_END:
        return close_bracket(j, t);
    default:
        return read_value(j, t);
    }
}

status json_peek(json *j, json_kind *kind) {
    bool present;
    TRY(approach(j, &present));
    if (!present) {
        *kind = JSON_END;
        return STATUS_OK;
    }
    switch (*j->at) {
    case '{':
        *kind = JSON_OBJECT;
        break;
    case '}':
        *kind = JSON_OBJECT_END;
        break;
    case '[':
        *kind = JSON_ARRAY;
        break;
    case ']':
        *kind = JSON_ARRAY_END;
        break;
    case '"':
        *kind = j->expect == EXPECT_KEY || j->expect == EXPECT_KEY_OR_END ? JSON_KEY : JSON_STRING;
        break;
    case 'n':
        *kind = JSON_NULL;
        break;
    case 't':
    case 'f':
        *kind = JSON_BOOL;
        break;
    default:
        *kind = JSON_NUMBER;
    }
    return STATUS_OK;
}

/* ---- what callers expect ---- */

static const char *kind_name(json_kind kind) {
    static const char *const names[] = {"the end of the text",
                                        "null",
                                        "true or false",
                                        "a number",
                                        "a string",
                                        "a key",
                                        "an object",
                                        "the end of an object",
                                        "an array",
                                        "the end of an array"};
    return names[kind];
}

static status expect_kind(json *j, json_kind kind, json_token *t) {
    TRY(json_next(j, t));
    if (t->kind == kind) return STATUS_OK;
    return json_fail(j, STATUS_BAD_DATA, "expected %s, found %s", kind_name(kind),
                     kind_name(t->kind));
}

status json_enter_object(json *j) {
    json_token t;
    return expect_kind(j, JSON_OBJECT, &t);
}

status json_enter_array(json *j) {
    json_token t;
    return expect_kind(j, JSON_ARRAY, &t);
}

status json_string(json *j, json_text *out) {
    json_token t;
    TRY(expect_kind(j, JSON_STRING, &t));
    *out = t.text;
    return STATUS_OK;
}

status json_bool(json *j, bool *out) {
    json_token t;
    TRY(expect_kind(j, JSON_BOOL, &t));
    *out = t.truth;
    return STATUS_OK;
}

status json_number(json *j, double lo, double hi, double *out) {
    json_token t;
    TRY(expect_kind(j, JSON_NUMBER, &t));
    if (!(t.number >= lo && t.number <= hi))
        return json_fail(j, STATUS_BAD_DATA, "expected a number in %g..%g, found %.*s", lo, hi,
                         (int)MIN_OF(t.text.length, 40), t.text.bytes);
    *out = t.number;
    return STATUS_OK;
}

status json_integer(json *j, int64_t lo, int64_t hi, int64_t *out) {
    json_token t;
    TRY(expect_kind(j, JSON_NUMBER, &t));
    bool whole = t.is_integer;
    int64_t v = t.integer;
    if (!whole && fabs(t.number) < 0x1p53 && t.number == trunc(t.number)) {
        whole = true;
        v = (int64_t)t.number;
    }
    if (!whole || v < lo || v > hi)
        return json_fail(j, STATUS_BAD_DATA, "expected an integer in %lld..%lld, found %.*s",
                         (long long)lo, (long long)hi, (int)MIN_OF(t.text.length, 40),
                         t.text.bytes);
    *out = v;
    return STATUS_OK;
}

status json_next_key(json *j, bool *more, json_text *key) {
    json_token t;
    TRY(json_next(j, &t));
    *more = t.kind == JSON_KEY;
    if (*more)
        *key = t.text;
    else if (t.kind != JSON_OBJECT_END)
        return json_fail(j, STATUS_BAD_DATA, "expected a key, found %s", kind_name(t.kind));
    return STATUS_OK;
}

status json_next_item(json *j, bool *more) {
    json_kind kind;
    TRY(json_peek(j, &kind));
    *more = !(kind == JSON_ARRAY_END && j->depth && !top_is_object(j) && j->expect != EXPECT_VALUE);
    if (*more) return STATUS_OK;
    json_token t;
    return json_next(j, &t);
}

status json_skip(json *j) {
    json_token t;
    int32_t depth = j->depth;
    TRY(json_next(j, &t));
    if (t.kind == JSON_END || t.kind == JSON_OBJECT_END || t.kind == JSON_ARRAY_END ||
        t.kind == JSON_KEY)
        return json_fail(j, STATUS_BAD_DATA, "expected a value, found %s", kind_name(t.kind));
    while (j->depth > depth) TRY(json_next(j, &t));
    return STATUS_OK;
}

status json_finish(json *j) {
    json_token t;
    return expect_kind(j, JSON_END, &t);
}
