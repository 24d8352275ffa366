/* Blocks double from 4 KiB up to 1 MiB, so that small arenas stay small and large ones take few
 * blocks. */
#include "base/arena.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BLOCK_BYTES = 4096, LARGEST_STEP_BYTES = 1 << 20 };

typedef struct arena_block {
    struct arena_block *next;
    size_t size_bytes, used_bytes; /* of the payload, which starts one cache line in */
} arena_block;

static char *payload(arena_block *block) {
    return (char *)block + CACHE_LINE;
}

arena arena_make(context *cx) {
    return (arena){.cx = cx};
}

void arena_free(arena *a) {
    while (a->blocks) {
        arena_block *next = a->blocks->next;
        context_release(a->cx, a->blocks);
        a->blocks = next;
    }
    a->used_bytes = 0;
}

void arena_reset(arena *a) {
    arena_block *keep = NULL;
    while (a->blocks) {
        arena_block *block = a->blocks;
        a->blocks = block->next;
        if (!keep || block->size_bytes > keep->size_bytes) {
            context_release(a->cx, keep);
            keep = block;
        } else {
            context_release(a->cx, block);
        }
    }
    if (keep) *keep = (arena_block){.size_bytes = keep->size_bytes};
    a->blocks = keep;
    a->used_bytes = 0;
}

static arena_block *grow(arena *a, size_t need_bytes) {
    size_t size_bytes = a->blocks ? a->blocks->size_bytes * 2 : FIRST_BLOCK_BYTES;
    if (size_bytes > LARGEST_STEP_BYTES) size_bytes = LARGEST_STEP_BYTES;
    if (size_bytes < need_bytes) size_bytes = need_bytes;
    arena_block *block = context_alloc(a->cx, size_bytes + CACHE_LINE);
    if (!block) return NULL;
    *block = (arena_block){.next = a->blocks, .size_bytes = size_bytes};
    a->blocks = block;
    return block;
}

static void *take(arena *a, size_t size_bytes, size_t align) {
    if (size_bytes > (size_t)INT64_MAX / 2) {
        (void)context_fail(a->cx, STATUS_NO_MEMORY, "out of memory: %zu bytes were asked for",
                           size_bytes);
        return NULL;
    }
    arena_block *block = a->blocks;
    size_t start = block ? (size_t)round_up((int64_t)block->used_bytes, (int64_t)align) : 0;
    if (!block || start > block->size_bytes || block->size_bytes - start < size_bytes) {
        block = grow(a, size_bytes);
        if (!block) return NULL;
        start = 0;
    }
    a->used_bytes += start + size_bytes - block->used_bytes;
    if (a->used_bytes > a->peak_bytes) a->peak_bytes = a->used_bytes;
    block->used_bytes = start + size_bytes;
    void *piece = payload(block) + start;
    memset(piece, 0, size_bytes);
    return piece;
}

void *arena_alloc(arena *a, size_t size_bytes) {
    return take(a, size_bytes, 16);
}

void *arena_alloc_lines(arena *a, size_t size_bytes) {
    return take(a, size_bytes, CACHE_LINE);
}

void *arena_alloc_array(arena *a, int64_t count, size_t unit_bytes) {
    int64_t size_bytes;
    if (count < 0 || mul_overflows(count, (int64_t)unit_bytes, &size_bytes)) {
        (void)context_fail(a->cx, STATUS_NO_MEMORY,
                           "out of memory: %lld items of %zu bytes were asked for",
                           (long long)count, unit_bytes);
        return NULL;
    }
    return take(a, (size_t)size_bytes, 16);
}

char *arena_strndup(arena *a, const char *text, size_t length) {
    char *copy = arena_alloc(a, length + 1);
    if (copy) memcpy(copy, text, length);
    return copy;
}

char *arena_strdup(arena *a, const char *text) {
    return arena_strndup(a, text, strlen(text));
}

char *arena_printf(arena *a, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = length < 0 ? NULL : arena_alloc(a, (size_t)length + 1);
    if (text) vsnprintf(text, (size_t)length + 1, fmt, again);
    va_end(again);
    return text;
}
