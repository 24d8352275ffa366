/* Holders and the stack of free pages. */
#include "infer/pages.h"
#include <assert.h>

status pages_make(arena *mem, int32_t n, pages *out) {
    *out = (pages){.holders = ARENA_NEW(mem, int32_t, n + 1),
                   .free = ARENA_NEW(mem, int32_t, n + 1),
                   .kept = ARENA_NEW(mem, bool, n + 1),
                   .n = n,
                   .n_free = n};
    if (!out->holders || !out->free || !out->kept) return STATUS_NO_MEMORY;
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

static bool is_idle(const pages *p, int32_t page) {
    return p->kept[page] && p->holders[page] == 1;
}

void pages_hold(pages *p, int32_t page) {
    assert(p->holders[page] > 0);
    p->n_idle -= is_idle(p, page);
    p->holders[page]++;
}

void pages_drop(pages *p, int32_t page) {
    assert(p->holders[page] > 0);
    if (--p->holders[page] == 0) p->free[p->n_free++] = page;
    p->n_idle += is_idle(p, page);
}

void pages_keep(pages *p, int32_t page) {
    assert(!p->kept[page]);
    pages_hold(p, page);
    p->kept[page] = true;
}

void pages_let_go(pages *p, int32_t page) {
    assert(p->kept[page]);
    p->n_idle -= is_idle(p, page);
    p->kept[page] = false;
    pages_drop(p, page);
}
