/* The tree of known pages under random sequences: what it finds was added with these very tokens, pages are
 * conserved, and everything idle can be taken back. */
#include "base/rng.h"
#include "infer/prefix.h"
#include "test.h"

enum { PAGES = 60, PAGE = 4, MOST = 12, LIVE = 6, ROUNDS = 20000 };

/* A sequence that holds pages, as the schedule has them. */
typedef struct line {
    int32_t tokens[MOST * PAGE], pages[MOST];
    int32_t n_pages;
    uint64_t salt;
} line;

typedef struct world {
    context *cx;
    arena mem;
    pages pages;
    prefix *tree;
    int32_t says[PAGES][PAGE]; /* what each page was filled with last */
    line lines[LIVE];
    rng random;
} world;

static void drop(world *w, line *l) {
    while (l->n_pages) pages_drop(&w->pages, l->pages[--l->n_pages]);
}

static int32_t take(world *w) {
    if (!w->pages.n_free && !prefix_evict(w->tree)) return -1;
    return pages_take(&w->pages);
}

/* A few different beginnings, so that many sequences share them. */
static void draw(world *w, line *l) {
    l->salt = rng_below(&w->random, 2);
    for (int i = 0; i < MOST * PAGE; i++)
        l->tokens[i] = (int32_t)rng_below(&w->random, i < 8 * PAGE && i % PAGE ? 1 : 2);
}

static bool fill(world *w, line *l) {
    int32_t wanted = 1 + (int32_t)rng_below(&w->random, MOST);
    l->n_pages = prefix_find(w->tree, l->salt, l->tokens, (int64_t)wanted * PAGE, l->pages);
    for (int32_t i = 0; i < l->n_pages; i++)
        if (memcmp(w->says[l->pages[i]], l->tokens + i * PAGE, sizeof w->says[0])) return false;
    while (l->n_pages < wanted) {
        int32_t i = l->n_pages, page = take(w);
        if (page < 0) return true; /* all pages are in use */
        memcpy(w->says[page], l->tokens + i * PAGE, sizeof w->says[0]);
        int32_t known = prefix_add(w->tree, l->salt, i ? l->pages[i - 1] : PREFIX_ROOT,
                                   l->tokens + i * PAGE, page);
        if (known != page) {
            if (memcmp(w->says[known], l->tokens + i * PAGE, sizeof w->says[0])) return false;
            pages_hold(&w->pages, known);
            pages_drop(&w->pages, page);
        }
        l->pages[l->n_pages++] = known;
    }
    return true;
}

static bool conserved(const world *w) {
    int32_t free = 0, idle = 0, held[PAGES] = {0};
    for (int i = 0; i < LIVE; i++)
        for (int32_t k = 0; k < w->lines[i].n_pages; k++) held[w->lines[i].pages[k]]++;
    for (int i = 0; i < PAGES; i++) {
        if (w->pages.holders[i] != held[i] + w->pages.kept[i]) return false;
        free += w->pages.holders[i] == 0;
        idle += w->pages.kept[i] && !held[i];
    }
    return free == w->pages.n_free && idle == w->pages.n_idle;
}

static void sequences(test *t) {
    world w = {.cx = context_new(), .random = rng_make(1, 2)};
    int64_t found = 0;
    w.mem = arena_make(w.cx);
    CHECK_OK(t, w.cx, pages_make(&w.mem, PAGES, &w.pages));
    CHECK_OK(t, w.cx, prefix_make(&w.mem, &w.pages, PAGE, &w.tree));
    for (int round = 0; round < ROUNDS; round++) {
        line *l = &w.lines[rng_below(&w.random, LIVE)];
        drop(&w, l);
        draw(&w, l);
        CHECK(t, fill(&w, l), "round %d: a page was found that says something else", round);
        CHECK(t, conserved(&w), "round %d", round);
        found += l->n_pages;
    }
    CHECK(t, found > ROUNDS);
    for (int i = 0; i < LIVE; i++) drop(&w, &w.lines[i]);
    CHECK(t, w.pages.n_idle + w.pages.n_free == PAGES && w.pages.n_idle > 0);
    while (prefix_evict(w.tree)) {
    }
    CHECK(t, w.pages.n_free == PAGES && w.pages.n_idle == 0);
    arena_free(&w.mem);
    context_free(w.cx);
}

const test_case suite_prefix[] = {{"sequences", sequences}, {0}};
