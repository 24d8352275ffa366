/* Holders and the stack of free pages. */
#include "infer/pages.h"
#include <assert.h>

status pages_make(arena *mem, int32_t n, pages *out) {
    *out = (pages){.holders = ARENA_NEW(mem, int32_t, n + 1),
                   .free = ARENA_NEW(mem, int32_t, n + 1),
                   .n = n,
                   .n_free = n};
    if (!out->holders || !out->free) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < n; i++) out->free[i] = n - 1 - i;
    return STATUS_OK;
}

int32_t pages_take(pages *p) {
    if (!p->n_free) return -1;
    int32_t page = p->free[--p->n_free];
    assert(p->holders[page] == 0);
    p->holders[page] = 1;
    return page;
}

void pages_hold(pages *p, int32_t page) {
    assert(p->holders[page] > 0);
    p->holders[page]++;
}

void pages_drop(pages *p, int32_t page) {
    assert(p->holders[page] > 0);
    if (--p->holders[page] == 0) p->free[p->n_free++] = page;
}
