/* The two things that encoding and decoding append to: bytes and token ids. Both double when full
 * and keep their memory until freed. */
#ifndef TEXT_GROW_H
#define TEXT_GROW_H

#include "base/status.h"
#include <string.h>

typedef struct text_buffer {
    context *cx;
    char *bytes; /* not closed by a zero */
    int64_t length, capacity;
} text_buffer;

typedef struct token_list {
    context *cx;
    int32_t *ids;
    int64_t count, capacity;
} token_list;

/* Room for `more` beyond what is there. */
status text_reserve(text_buffer *b, int64_t more) MUST_USE;
status token_reserve(token_list *l, int64_t more) MUST_USE;
void text_free(text_buffer *b);
void token_free(token_list *l);

/* Formatted, without a zero behind it. */
status text_print(text_buffer *b, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_USE;

static inline status text_append(text_buffer *b, const char *bytes, int64_t length) {
    if (UNLIKELY(b->capacity - b->length < length)) TRY(text_reserve(b, length));
    if (length) memcpy(b->bytes + b->length, bytes, (size_t)length);
    b->length += length;
    return STATUS_OK;
}

static inline status token_append(token_list *l, int32_t id) {
    if (UNLIKELY(l->count == l->capacity)) TRY(token_reserve(l, 1));
    l->ids[l->count++] = id;
    return STATUS_OK;
}

static inline status token_append_all(token_list *l, const int32_t *ids, int64_t count) {
    if (UNLIKELY(l->capacity - l->count < count)) TRY(token_reserve(l, count));
    if (count) memcpy(l->ids + l->count, ids, (size_t)count * sizeof *ids);
    l->count += count;
    return STATUS_OK;
}

#endif
