#include "exec/place.h"
#include <stdlib.h>

/* Larger first; equal sizes in order of birth, so that the answer does not depend on the sort. */
static int larger_first(const void *a, const void *b) {
    const piece *x = *(piece *const *)a, *y = *(piece *const *)b;
    if (x->size_bytes != y->size_bytes) return x->size_bytes < y->size_bytes ? 1 : -1;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int64_t live_peak(arena *mem, const piece *pieces, int32_t n) {
    int32_t last = 0;
    for (int32_t i = 0; i < n; i++) last = MAX_OF(last, pieces[i].to);
    int64_t *change = ARENA_NEW(mem, int64_t, (int64_t)last + 2);
    if (!change) return -1;
    for (int32_t i = 0; i < n; i++) {
        change[pieces[i].from] += round_up(pieces[i].size_bytes, CACHE_LINE);
        change[pieces[i].to + 1] -= round_up(pieces[i].size_bytes, CACHE_LINE);
    }
    int64_t live = 0, peak = 0;
    for (int32_t s = 0; s <= last; s++) {
        live += change[s];
        peak = MAX_OF(peak, live);
    }
    return peak;
}

/* The lowest gap among `placed` (sorted by offset) that is free while p lives. */
static int64_t lowest_gap(const piece *p, piece *const *placed, int32_t n) {
    int64_t at = 0, need = round_up(p->size_bytes, CACHE_LINE);
    for (int32_t i = 0; i < n; i++) {
        const piece *q = placed[i];
        if (q->to < p->from || p->to < q->from) continue;
        if (q->offset - at >= need) break;
        at = MAX_OF(at, q->offset + round_up(q->size_bytes, CACHE_LINE));
    }
    return at;
}

status place_pieces(context *cx, piece *pieces, int32_t n, int64_t *total_bytes,
                    int64_t *live_bytes) {
    arena mem = arena_make(cx);
    piece **order = ARENA_NEW(&mem, piece *, n + 1), **placed = ARENA_NEW(&mem, piece *, n + 1);
    *total_bytes = 0;
    *live_bytes = order && placed ? live_peak(&mem, pieces, n) : -1;
    if (*live_bytes < 0) {
        arena_free(&mem);
        return STATUS_NO_MEMORY;
    }
    for (int32_t i = 0; i < n; i++) order[i] = &pieces[i];
    qsort(order, (size_t)n, sizeof *order, larger_first);
    int32_t n_placed = 0;
    for (int32_t i = 0; i < n; i++) {
        piece *p = order[i];
        p->offset = 0;
        if (p->size_bytes == 0) continue;
        p->offset = lowest_gap(p, placed, n_placed);
        *total_bytes = MAX_OF(*total_bytes, p->offset + round_up(p->size_bytes, CACHE_LINE));
        int32_t j = n_placed++;
        for (; j > 0 && placed[j - 1]->offset > p->offset; j--) placed[j] = placed[j - 1];
        placed[j] = p;
    }
    arena_free(&mem);
    return STATUS_OK;
}
