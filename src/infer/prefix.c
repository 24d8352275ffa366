/* The tree (infer/prefix.h): as many nodes as there are pages, found by a hash of (parent or salt, tokens), in a list
 * by last use. */
#include "infer/prefix.h"
#include "base/hash.h"
#include <assert.h>
#include <string.h>

typedef struct prefix_node {
    uint64_t salt;  /* of a root's child; else 0 */
    int32_t parent; /* a node, or PREFIX_ROOT */
    int32_t children;
    int32_t next;         /* with the same hash */
    int32_t newer, older; /* by last use; -1: none */
    bool used;
} prefix_node;

struct prefix {
    pages *pages;
    int32_t page_tokens, n_nodes, n_slots;
    prefix_node *nodes; /* node i is page i, where the tree holds that */
    int32_t *tokens;    /* of node i from i * page_tokens on */
    int32_t *slots;     /* first node of each hash; -1: none */
    int32_t newest, oldest;
};

status prefix_make(arena *mem, pages *p, int32_t page, prefix **out) {
    prefix *x = ARENA_NEW(mem, prefix, 1);
    int32_t slots = 16;
    while (slots < 2 * p->n) slots *= 2;
    if (!x) return STATUS_NO_MEMORY;
    *x = (prefix){.pages = p,
                  .page_tokens = page,
                  .n_nodes = p->n,
                  .n_slots = slots,
                  .newest = -1,
                  .oldest = -1};
    x->nodes = ARENA_NEW(mem, prefix_node, p->n);
    x->tokens = ARENA_NEW(mem, int32_t, (int64_t)p->n * page);
    x->slots = ARENA_NEW(mem, int32_t, slots);
    if (!x->nodes || !x->tokens || !x->slots) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < slots; i++) x->slots[i] = -1;
    *out = x;
    return STATUS_OK;
}

/* ---- by last use ---- */

static void unlink_use(prefix *x, int32_t i) {
    const prefix_node *n = &x->nodes[i];
    if (n->newer >= 0)
        x->nodes[n->newer].older = n->older;
    else
        x->newest = n->older;
    if (n->older >= 0)
        x->nodes[n->older].newer = n->newer;
    else
        x->oldest = n->newer;
}

/* Behind `newer`; -1: as the newest. */
static void link_use(prefix *x, int32_t i, int32_t newer) {
    int32_t older = newer >= 0 ? x->nodes[newer].older : x->newest;
    x->nodes[i].newer = newer;
    x->nodes[i].older = older;
    if (newer >= 0)
        x->nodes[newer].older = i;
    else
        x->newest = i;
    if (older >= 0)
        x->nodes[older].newer = i;
    else
        x->oldest = i;
}

/* The whole path to a node was used: parents count as used after their children, so that the oldest are leaves. */
static void touch(prefix *x, int32_t i) {
    for (; i != PREFIX_ROOT; i = x->nodes[i].parent) {
        unlink_use(x, i);
        link_use(x, i, -1);
    }
}

/* ---- by contents ---- */

static size_t page_bytes(const prefix *x) {
    return (size_t)x->page_tokens * sizeof *x->tokens;
}

static int32_t *slot_of(const prefix *x, uint64_t salt, int32_t parent, const int32_t *tokens) {
    uint64_t seed = parent == PREFIX_ROOT ? salt : (uint64_t)parent * 0x9e3779b97f4a7c15u + 1;
    return &x->slots[hash_xxh64(tokens, page_bytes(x), seed) & (uint64_t)(x->n_slots - 1)];
}

static int32_t child(const prefix *x, uint64_t salt, int32_t parent, const int32_t *tokens) {
    int32_t i = *slot_of(x, salt, parent, tokens);
    for (; i >= 0; i = x->nodes[i].next) {
        const prefix_node *n = &x->nodes[i];
        bool same = n->parent == parent && (parent != PREFIX_ROOT || n->salt == salt);
        if (same && !memcmp(x->tokens + (int64_t)i * x->page_tokens, tokens, page_bytes(x)))
            return i;
    }
    return -1;
}

int32_t prefix_find(prefix *x, uint64_t salt, const int32_t *tokens, int64_t n, int32_t *out) {
    int32_t count = 0, at = PREFIX_ROOT;
    for (; (int64_t)(count + 1) * x->page_tokens <= n; count++) {
        int32_t i = child(x, salt, at, tokens + (int64_t)count * x->page_tokens);
        if (i < 0) break;
        pages_hold(x->pages, i);
        out[count] = at = i;
    }
    touch(x, at);
    return count;
}

int32_t prefix_add(prefix *x, uint64_t salt, int32_t before, const int32_t *tokens, int32_t page) {
    int32_t known = child(x, salt, before, tokens);
    if (known >= 0) return known;
    prefix_node *n = &x->nodes[page];
    assert(!n->used); /* a page that the tree holds is full, and never written again */
    int32_t *slot = slot_of(x, salt, before, tokens);
    *n = (prefix_node){
        .salt = before == PREFIX_ROOT ? salt : 0, .parent = before, .next = *slot, .used = true};
    *slot = page;
    memcpy(x->tokens + (int64_t)page * x->page_tokens, tokens, page_bytes(x));
    if (before != PREFIX_ROOT) x->nodes[before].children++;
    link_use(x, page, before);
    pages_keep(x->pages, page);
    return page;
}

static void forget(prefix *x, int32_t i) {
    prefix_node *n = &x->nodes[i];
    int32_t *at = slot_of(x, n->salt, n->parent, x->tokens + (int64_t)i * x->page_tokens);
    while (*at != i) at = &x->nodes[*at].next;
    *at = n->next;
    if (n->parent != PREFIX_ROOT) x->nodes[n->parent].children--;
    unlink_use(x, i);
    n->used = false;
    pages_let_go(x->pages, i);
}

bool prefix_evict(prefix *x) {
    if (!x->pages->n_idle) return false;
    for (int32_t i = x->oldest; i >= 0; i = x->nodes[i].newer)
        if (!x->nodes[i].children && x->pages->holders[i] == 1) {
            forget(x, i);
            return true;
        }
    return false;
}
