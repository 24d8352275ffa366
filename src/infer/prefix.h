/* Pages whose tokens were computed before, found again by what they begin with: a tree in which a node is a full page,
 * its parent the page before it, its key the page's tokens. Sequences that begin alike share the path from the root;
 * requests of different salts have different roots and never share. (Kwon et al. 2023, "PagedAttention"; Zheng et al.
 * 2024, "SGLang", whose radix tree this is with pages for edges.)
 *
 * The tree holds each of its pages once. A page that nobody else holds is idle and may be taken back, least recently
 * used first and leaves before their parents. A sequence holds all pages before any that it holds, so what hangs
 * below an idle page is idle too, and every idle page can be had. */
#ifndef INFER_PREFIX_H
#define INFER_PREFIX_H

#include "infer/pages.h"

typedef struct prefix prefix;

enum { PREFIX_ROOT = -1 };

/* For `p`'s pages of `page` tokens each. */
status prefix_make(arena *mem, pages *p, int32_t page, prefix **out) MUST_USE;

/* The longest known beginning of tokens[0 .. n), in whole pages: their numbers, each held once more for the caller.
 * Returns how many. */
int32_t prefix_find(prefix *x, uint64_t salt, const int32_t *tokens, int64_t n, int32_t *out);
/* `page`, which the caller holds, has these tokens and follows the page `before` of the tree (PREFIX_ROOT: none).
 * Returns it or, where another page of the tree says the same, that one: the caller should hold it instead. */
int32_t prefix_add(prefix *x, uint64_t salt, int32_t before, const int32_t *tokens, int32_t page);
/* Takes one idle page back from the tree; false: there is none. */
bool prefix_evict(prefix *x);

#endif
