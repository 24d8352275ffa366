/* Contexts: the error chain and the allocator. The chain is a fixed buffer, so that reporting that
 * memory ran out needs no memory; what does not fit is cut at the inner end, where detail is least.
 */
#include "base/status.h"
#include "base/large_pages.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_BYTES = 4096, FROM_PAGES = 2 };

struct context {
    status code;
    char error[ERROR_BYTES];
    int64_t fail_after; /* allocations that still succeed; negative: never fail */
    atomic_int_fast64_t allocations;
    atomic_int_fast64_t live;
};

context *context_new(void) {
    context *cx = calloc(1, sizeof *cx);
    if (cx) cx->fail_after = -1;
    return cx;
}

void context_free(context *cx) {
    free(cx);
}

const char *context_error(const context *cx) {
    return cx->error;
}

status context_status(const context *cx) {
    return cx->code;
}

void context_clear(context *cx) {
    cx->code = STATUS_OK;
    cx->error[0] = 0;
}

status context_vfail(context *cx, status code, const char *fmt, va_list args) {
    cx->code = code;
    vsnprintf(cx->error, sizeof cx->error, fmt, args);
    return code;
}

status context_fail(context *cx, status code, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    context_vfail(cx, code, fmt, args);
    va_end(args);
    return code;
}

status context_note(context *cx, status code, const char *fmt, ...) {
    char line[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line - 2, fmt, args);
    va_end(args);
    strcat(line, ": ");
    size_t head_bytes = strlen(line);
    size_t tail_bytes = strlen(cx->error);
    size_t room_bytes = sizeof cx->error - 1 - head_bytes;
    if (tail_bytes > room_bytes) tail_bytes = room_bytes;
    memmove(cx->error + head_bytes, cx->error, tail_bytes);
    memcpy(cx->error, line, head_bytes);
    cx->error[head_bytes + tail_bytes] = 0;
    return code;
}

const char *status_name(status code) {
    static const char *const names[] = {"ok",          "bad argument", "bad data",
                                        "unsupported", "no memory",    "input/output",
                                        "busy",        "cancelled",    "bug"};
    return (unsigned)code < COUNT_OF(names) ? names[code] : "unknown";
}

/* Tensors lie in large pages. Only what is touched takes memory. */
static void *allocate(size_t size_bytes) {
    if (size_bytes < (size_t)FROM_PAGES * LARGE_PAGE)
        return aligned_alloc(CACHE_LINE, (size_t)round_up((int64_t)size_bytes, CACHE_LINE));
    void *memory; /* aligned_alloc would want whole pages */
    if (posix_memalign(&memory, LARGE_PAGE, size_bytes)) return NULL;
    large_pages_wish(memory, size_bytes);
    return memory;
}

void *context_alloc(context *cx, size_t size_bytes) {
    atomic_fetch_add(&cx->allocations, 1);
    void *memory = NULL;
    bool allowed = cx->fail_after != 0;
    if (cx->fail_after > 0) cx->fail_after--;
    if (allowed && size_bytes <= (size_t)INT64_MAX - LARGE_PAGE)
        memory = allocate(size_bytes ? size_bytes : 1);
    if (!memory) {
        (void)context_fail(cx, STATUS_NO_MEMORY, "out of memory: %zu bytes were asked for",
                           size_bytes);
        return NULL;
    }
    atomic_fetch_add(&cx->live, 1);
    return memory;
}

void *context_zalloc(context *cx, size_t size_bytes) {
    void *memory = context_alloc(cx, size_bytes);
    if (memory) memset(memory, 0, size_bytes);
    return memory;
}

void context_release(context *cx, void *memory) {
    if (!memory) return;
    atomic_fetch_sub(&cx->live, 1);
    free(memory);
}

void context_fail_allocation_after(context *cx, int64_t n) {
    cx->fail_after = n;
}

int64_t context_allocations(const context *cx) {
    return atomic_load(&cx->allocations);
}

int64_t context_live_allocations(const context *cx) {
    return atomic_load(&cx->live);
}
