/* The pages that keys and values of sequences lie in, by number: who holds each, and which are free. A page may be
 * held by several sequences that begin alike; who wants to write into such a page takes a copy of its own first. */
#ifndef INFER_PAGES_H
#define INFER_PAGES_H

#include "base/arena.h"
#include <stdbool.h>

typedef struct pages {
    int32_t *holders;          /* of each page */
    int32_t *free;             /* a stack */
    bool *kept;                /* one of the holders is the tree of prefixes (infer/prefix.h) */
    int32_t n, n_free, n_idle; /* idle: the tree is the only holder */
} pages;

/* All free; the first one taken is page 0. */
status pages_make(arena *mem, int32_t n, pages *out) MUST_USE;
/* A free page, held once; -1: none is free. */
int32_t pages_take(pages *p);
/* One more holder, one less; a page without holders is free again. */
void pages_hold(pages *p, int32_t page);
void pages_drop(pages *p, int32_t page);
/* The tree holds one more, and lets go of it. */
void pages_keep(pages *p, int32_t page);
void pages_let_go(pages *p, int32_t page);
static inline bool pages_shared(const pages *p, int32_t page) {
    return p->holders[page] > 1;
}

#endif
