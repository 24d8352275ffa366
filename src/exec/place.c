#include "exec/place.h"
#include <stdlib.h>

enum { ENOUGH = 50 }; /* one part in so many above the bound is near */

static int64_t span(const piece *p) {
    return (int64_t)p->to - p->from;
}

/* Earlier births among equals, so that the answer does not depend on the sort. */
static int by_birth(const piece *x, const piece *y) {
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int larger_first(const void *a, const void *b) {
    const piece *x = *(piece *const *)a, *y = *(piece *const *)b;
    if (x->size_bytes != y->size_bytes) return x->size_bytes < y->size_bytes ? 1 : -1;
    return by_birth(x, y);
}

static int longer_first(const void *a, const void *b) {
    const piece *x = *(piece *const *)a, *y = *(piece *const *)b;
    return span(x) != span(y) ? (span(x) < span(y) ? 1 : -1) : larger_first(a, b);
}

static int wider_first(const void *a, const void *b) {
    const piece *x = *(piece *const *)a, *y = *(piece *const *)b;
    double of_x = (double)x->size_bytes * (double)(span(x) + 1);
    double of_y = (double)y->size_bytes * (double)(span(y) + 1);
    return of_x != of_y ? (of_x < of_y ? 1 : -1) : by_birth(x, y);
}

static int (*const orders[])(const void *, const void *) = {larger_first, wider_first,
                                                            longer_first};

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

typedef struct placing {
    piece **order, **placed;
    int32_t n;
} placing;

/* Places the pieces in this order; what they need together. */
static int64_t place_in_order(const placing *x, int (*before)(const void *, const void *)) {
    int64_t total = 0;
    int32_t n_placed = 0;
    qsort(x->order, (size_t)x->n, sizeof *x->order, before);
    for (int32_t i = 0; i < x->n; i++) {
        piece *p = x->order[i];
        p->offset = 0;
        if (p->size_bytes == 0) continue;
        p->offset = lowest_gap(p, x->placed, n_placed);
        total = MAX_OF(total, p->offset + round_up(p->size_bytes, CACHE_LINE));
        int32_t j = n_placed++;
        for (; j > 0 && x->placed[j - 1]->offset > p->offset; j--) x->placed[j] = x->placed[j - 1];
        x->placed[j] = p;
    }
    return total;
}

/* The best of several orders; the first that is near the bound is good enough. */
static int64_t place_best(const placing *x, int64_t live_bytes) {
    int32_t best = 0, now = 0;
    int64_t least = INT64_MAX;
    for (now = 0; now < COUNT_OF(orders); now++) {
        int64_t total = place_in_order(x, orders[now]);
        if (total < least) {
            least = total;
            best = now;
        }
        if (total <= live_bytes + live_bytes / ENOUGH) break;
    }
    return best == now ? least : place_in_order(x, orders[best]);
}

status place_pieces(context *cx, piece *pieces, int32_t n, int64_t *total_bytes,
                    int64_t *live_bytes) {
    arena mem = arena_make(cx);
    placing x = {.order = ARENA_NEW(&mem, piece *, n + 1),
                 .placed = ARENA_NEW(&mem, piece *, n + 1),
                 .n = n};
    *total_bytes = 0;
    *live_bytes = x.order && x.placed ? live_peak(&mem, pieces, n) : -1;
    status st = *live_bytes < 0 ? STATUS_NO_MEMORY : STATUS_OK;
    for (int32_t i = 0; i < n && st == STATUS_OK; i++) x.order[i] = &pieces[i];
    if (st == STATUS_OK) *total_bytes = place_best(&x, *live_bytes);
    arena_free(&mem);
    return st;
}
