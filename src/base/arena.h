/* Memory by lifetime. An arena grows by blocks, hands out pieces that start where they are asked
 * to, and gives everything back at once. Pieces never move. Each lifetime (process, model, plan,
 * step, request) has its own arena; nothing inside one is freed singly. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/status.h"

typedef struct arena {
    context *cx;
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* handed out since the last reset, padding included */
    size_t peak_bytes;
} arena;

/* No allocation happens before the first piece is asked for. */
arena arena_make(context *cx);
void arena_free(arena *a);
/* Empties the arena, keeping its largest block for the next round. */
void arena_reset(arena *a);

/* Zeroed memory on a 16-byte (or, for arena_alloc_lines, 64-byte) boundary; NULL has been reported
 * to the context. */
void *arena_alloc(arena *a, size_t size_bytes) MUST_USE;
void *arena_alloc_lines(arena *a, size_t size_bytes) MUST_USE;
char *arena_strdup(arena *a, const char *text) MUST_USE;
char *arena_strndup(arena *a, const char *text, size_t length) MUST_USE;
char *arena_printf(arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_USE;

/* `count` zeroed things of type T, NULL on overflow or shortage. */
#define ARENA_NEW(a, T, count) ((T *)arena_alloc_array((a), (int64_t)(count), sizeof(T)))
void *arena_alloc_array(arena *a, int64_t count, size_t unit_bytes) MUST_USE;

#endif
