/* A pull reader for JSON (RFC 8259) over bytes in memory, usually a mapped file.
 *
 * The caller asks for one token after another; nothing is built, so memory is one buffer for the
 * longest string that holds an escape. Strings without escapes point into the input.
 *
 *     TRY(json_enter_object(&j));
 *     for (;;) {
 *         json_text key;
 *         bool more;
 *         TRY(json_next_key(&j, &more, &key));
 *         if (!more) break;
 *         if (json_is(key, "vocab_size")) TRY(json_integer(&j, 1, INT32_MAX, &n));
 *         else TRY(json_skip(&j));
 *     }
 *     TRY(json_finish(&j));
 *
 * Strict: UTF-8 without overlong forms or surrogates, escapes in whole pairs, no comments, no
 * trailing commas, no byte-order mark, numbers within the range of a double. Duplicate keys are the
 * caller's business, who alone knows which keys it has seen. Every error says where:
 *     'tokenizer.json' at byte 17, line 2: expected ':' after a key
 * After an error the reader stays at the place of the error and fails again if asked again. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/status.h"
#include <stdbool.h>

typedef enum json_kind {
    JSON_END, /* after the whole text */
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_KEY,
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
} json_kind;

/* Bytes that are valid UTF-8 and not closed by a zero; they may hold zeros (\u0000). */
typedef struct json_text {
    const char *bytes;
    int64_t length;
} json_text;

typedef struct json_token {
    json_kind kind;
    bool truth;      /* JSON_BOOL */
    bool is_integer; /* JSON_NUMBER written without fraction and exponent that fits an int64_t */
    int64_t integer; /* where is_integer */
    double number;   /* JSON_NUMBER, correctly rounded */
    json_text text;  /* string or key (decoded), number (as written) */
} json_token;

enum { JSON_MAX_DEPTH = 1024 };

/* Zero means the default. */
typedef struct json_limits {
    int32_t depth;        /* 128; at most JSON_MAX_DEPTH */
    int64_t size_bytes;   /* of the whole text: 1 GiB */
    int64_t string_bytes; /* of one string, as written: 256 MiB */
    bool allow_nonfinite; /* NaN, Infinity, -Infinity, as Python writes them */
} json_limits;

typedef struct json_buffer {
    char *bytes;
    int64_t capacity;
} json_buffer;

typedef struct json {
    context *cx;
    const char *name; /* borrowed: what the text is called in errors */
    const char *begin, *at, *end;
    const char *token_at; /* where the latest token starts */
    json_limits limits;
    int32_t depth;
    int32_t expect;                          /* what may come next (json.c) */
    uint64_t in_object[JSON_MAX_DEPTH / 64]; /* bit per open bracket */
    json_buffer key, string;                 /* decoded escapes */
} json;

/* Takes no memory. `bytes` and `name` must outlive the reader; `limits` may be NULL. A text over
 * the size limit fails at the first token. */
json json_make(context *cx, const char *name, const char *bytes, int64_t size_bytes,
               const json_limits *limits);
void json_free(json *j);
/* Starts over with another text, keeping the buffers. */
void json_restart(json *j, const char *name, const char *bytes, int64_t size_bytes);

/* The next token. A key's text stays until the next key, a string's until the next string. */
status json_next(json *j, json_token *t) MUST_USE;
/* Kind of the next token, which is not consumed and not yet checked beyond its first byte. */
status json_peek(json *j, json_kind *kind) MUST_USE;

/* The next token must be of this kind; numbers must lie in lo..hi. */
status json_enter_object(json *j) MUST_USE;
status json_enter_array(json *j) MUST_USE;
status json_string(json *j, json_text *out) MUST_USE;
status json_bool(json *j, bool *out) MUST_USE;
status json_number(json *j, double lo, double hi, double *out) MUST_USE;
/* Also takes 3.0 and 3e2 where the value is whole and exact (below 2^53). */
status json_integer(json *j, int64_t lo, int64_t hi, int64_t *out) MUST_USE;

/* Inside an object: the next key, or more = false having left the object. */
status json_next_key(json *j, bool *more, json_text *key) MUST_USE;
/* Inside an array: whether a value comes next; more = false having left the array. */
status json_next_item(json *j, bool *more) MUST_USE;
/* Passes over the next value, which is checked all the same. */
status json_skip(json *j) MUST_USE;
/* Nothing but white space may follow. */
status json_finish(json *j) MUST_USE;

/* Reports a caller's objection to the latest token, with its place in front. */
status json_fail(const json *j, status code, const char *fmt, ...) PRINTF_LIKE(3, 4);

bool json_is(json_text text, const char *literal);

#endif
