/* Growth by doubling, from a size that holds a sentence. */
#include "text/grow.h"
#include <stdarg.h>
#include <stdio.h>

enum { FIRST_UNITS = 256 };

/* The new capacity, or 0 when it would not fit. */
static int64_t wider(int64_t used, int64_t more, int64_t capacity, int64_t unit_bytes) {
    int64_t need, size_bytes;
    if (add_overflows(used, more, &need)) return 0;
    int64_t wish = MAX_OF(MAX_OF(need, 2 * capacity), FIRST_UNITS);
    return mul_overflows(wish, unit_bytes, &size_bytes) ? 0 : wish;
}

static status regrow(context *cx, void **memory, int64_t used, int64_t more, int64_t *capacity,
                     int64_t unit_bytes) {
    if (*capacity - used >= more) return STATUS_OK;
    int64_t wish = wider(used, more, *capacity, unit_bytes);
    if (!wish) FAIL(cx, STATUS_NO_MEMORY, "out of memory: a text of this size");
    void *bigger = context_alloc(cx, (size_t)(wish * unit_bytes));
    if (!bigger) return context_status(cx);
    if (used) memcpy(bigger, *memory, (size_t)(used * unit_bytes));
    context_release(cx, *memory);
    *memory = bigger;
    *capacity = wish;
    return STATUS_OK;
}

status text_reserve(text_buffer *b, int64_t more) {
    void *memory = b->bytes;
    status st = regrow(b->cx, &memory, b->length, more, &b->capacity, 1);
    b->bytes = memory;
    return st;
}

status token_reserve(token_list *l, int64_t more) {
    void *memory = l->ids;
    status st = regrow(l->cx, &memory, l->count, more, &l->capacity, sizeof *l->ids);
    l->ids = memory;
    return st;
}

void text_free(text_buffer *b) {
    context_release(b->cx, b->bytes);
    *b = (text_buffer){.cx = b->cx};
}

void token_free(token_list *l) {
    context_release(l->cx, l->ids);
    *l = (token_list){.cx = l->cx};
}

status text_print(text_buffer *b, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) return STATUS_BUG;
    TRY(text_reserve(b, n + 1));
    va_start(args, fmt);
    vsnprintf(b->bytes + b->length, (size_t)n + 1, fmt, args);
    va_end(args);
    b->length += n;
    return STATUS_OK;
}
