/* The schedule alone, driven through random arrivals, cancels and lengths with far too few pages: pages are conserved,
 * budgets kept, everybody finishes, and at the end all pages are free. */
#include "infer/schedule.h"
#include "base/rng.h"
#include "test.h"
#include <stdlib.h>

enum { PAGE = 4, TABLE = 24, QUEUE = 64, PAGES = 40, LIVE = 48 };

typedef struct traffic {
    test *t;
    schedule x;
    rng r;
    sequence all[LIVE];
    int32_t memory[LIVE][TABLE];
    int64_t goal[LIVE]; /* tokens at which it is done; 0: not there */
    int64_t most_waited[LIVE], finished, cancelled;
    bool leak; /* the failing control: now and then a page is dropped twice as held */
} traffic;

static void arrive(traffic *k, int i) {
    int64_t prompt = 1 + (int64_t)rng_below(&k->r, 40);
    k->all[i] = (sequence){.n_tokens = prompt, .rows_from = prompt - 1, .pages = k->memory[i]};
    k->goal[i] = MIN_OF(prompt + 1 + (int64_t)rng_below(&k->r, 50), TABLE * PAGE);
    k->most_waited[i] = 0;
    if (!schedule_add(&k->x, &k->all[i])) {
        k->goal[i] = 0;
        return;
    }
    int from = (int)rng_below(&k->r, LIVE); /* now and then it begins as another one does */
    sequence *s = &k->all[from];
    if (from != i && k->goal[from] && s->state == SEQUENCE_RUNS && s->n_cached > 1 && prompt > 1)
        schedule_share(&k->x, &k->all[i], s, MIN_OF(s->n_cached, prompt - 1));
}

static void leave(traffic *k, int i) {
    schedule_remove(&k->x, &k->all[i]);
    k->goal[i] = 0;
}

static bool holders_add_up(const traffic *k) {
    int32_t held[PAGES] = {0}, free = 0;
    for (int i = 0; i < LIVE; i++)
        for (int32_t p = 0; k->goal[i] && p < k->all[i].n_pages; p++) held[k->all[i].pages[p]]++;
    for (int32_t p = 0; p < PAGES; p++) {
        if (held[p] != k->x.pages.holders[p]) return false;
        free += held[p] == 0;
    }
    return free == k->x.pages.n_free;
}

/* What is wrong with a step, or NULL. */
static const char *check_step(const traffic *k) {
    const schedule *x = &k->x;
    int64_t tokens = 0, rows = 0;
    for (int32_t i = 0; i < x->n_entries; i++) {
        const schedule_entry *e = &x->entries[i];
        tokens += e->tokens;
        rows += e->rows;
        int64_t end = e->s->n_cached + e->tokens;
        if (e->tokens < 1 || end > e->s->n_tokens) return "an entry runs past its tokens";
        if (e->rows != MAX_OF(0, end - MAX_OF(e->s->rows_from, e->s->n_cached)))
            return "rows are not those that were asked for";
        if (e->s->n_pages * PAGE < end) return "an entry lacks pages";
        for (int64_t at = e->s->n_cached / PAGE; at < e->s->n_pages; at++)
            if (pages_shared(&x->pages, e->s->pages[at]))
                return "a page is written that others hold";
    }
    if (tokens > x->limits.tokens || rows > x->limits.rows || x->n_entries > x->limits.sequences)
        return "a budget is exceeded";
    if (!x->n_entries && (x->n_running || x->n_waiting)) return "nothing goes on";
    return holders_add_up(k) ? NULL : "pages are lost or held twice";
}

static const char *one_step(traffic *k) {
    for (int i = 0; i < LIVE; i++) {
        if (!k->goal[i] && rng_below(&k->r, 8) == 0) arrive(k, i);
        if (k->goal[i] && rng_below(&k->r, 150) == 0) leave(k, i), k->cancelled++;
    }
    schedule_step(&k->x);
    const char *wrong = check_step(k);
    for (int32_t i = 0; i < k->x.n_entries; i++) {
        sequence *s = k->x.entries[i].s;
        int at = (int)(s - k->all);
        s->n_cached += k->x.entries[i].tokens;
        s->rows_from = MAX_OF(s->rows_from, s->n_cached);
        if (s->n_cached == s->n_tokens && ++s->n_tokens >= k->goal[at]) leave(k, at), k->finished++;
    }
    if (k->leak && k->x.n_running && k->x.running[0]->n_pages)
        pages_hold(&k->x.pages, k->x.running[0]->pages[0]);
    return wrong;
}

static status start(traffic *k, arena *mem, uint64_t seed) {
    schedule_limits limits = {.tokens = 16 + (int64_t)(seed % 3) * 24,
                              .sequences = 8,
                              .rows = 8,
                              .page = PAGE,
                              .table = TABLE,
                              .queue = QUEUE};
    k->r = rng_make(seed, 5);
    return schedule_make(mem, &limits, policy_find("first_come"), PAGES, &k->x);
}

static void random_traffic(test *t) {
    traffic *k = calloc(1, sizeof *k);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        context *cx = context_new();
        arena mem = arena_make(cx);
        memset(k, 0, sizeof *k);
        CHECK_OK(t, cx, start(k, &mem, seed));
        for (int i = 0; i < 20000; i++) {
            const char *wrong = one_step(k);
            CHECK(t, !wrong, "seed %d, step %d: %s", (int)seed, i, wrong);
        }
        CHECK(t, k->finished > 1000 && k->cancelled > 100 && k->x.sent_back > 10,
              "%lld finished, %lld cancelled, %lld sent back", (long long)k->finished,
              (long long)k->cancelled, (long long)k->x.sent_back);
        for (int i = 0; i < LIVE; i++)
            if (k->goal[i]) leave(k, i);
        CHECK(t, k->x.pages.n_free == PAGES && !k->x.n_waiting && !k->x.n_running, "%d pages free",
              k->x.pages.n_free);
        arena_free(&mem);
        context_free(cx);
    }
    free(k);
}

static void control(test *t) {
    traffic *k = calloc(1, sizeof *k);
    context *cx = context_new();
    arena mem = arena_make(cx);
    CHECK_OK(t, cx, start(k, &mem, 1));
    k->leak = true;
    const char *wrong = NULL;
    for (int i = 0; i < 100 && !wrong; i++) wrong = one_step(k);
    CHECK(t, wrong != NULL, "a page held once too often was not seen");
    arena_free(&mem);
    context_free(cx);
    free(k);
}

/* Without new arrivals, those that wait are served in the order in which they came. */
static void order(test *t) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    traffic *k = calloc(1, sizeof *k);
    CHECK_OK(t, cx, start(k, &mem, 1));
    for (int i = 0; i < LIVE; i++) {
        k->all[i] = (sequence){.n_tokens = 30, .rows_from = 29, .pages = k->memory[i]};
        k->goal[i] = 40;
        CHECK(t, schedule_add(&k->x, &k->all[i]), "queue");
    }
    int64_t last = -1;
    for (int step = 0; step < 10000 && (k->x.n_running || k->x.n_waiting); step++) {
        schedule_step(&k->x);
        for (int32_t i = 0; i < k->x.n_entries; i++) {
            sequence *s = k->x.entries[i].s;
            s->n_cached += k->x.entries[i].tokens;
            s->rows_from = MAX_OF(s->rows_from, s->n_cached);
            if (s->n_cached < s->n_tokens || ++s->n_tokens < 40) continue;
            CHECK(t, s->arrived >= last - 8, "%lld finished after %lld", (long long)s->arrived,
                  (long long)last);
            last = MAX_OF(last, s->arrived);
            leave(k, (int)(s - k->all));
        }
    }
    CHECK(t, last == LIVE - 1, "the last to finish was %lld", (long long)last);
    CHECK(t, !policy_find("nobody"), "a policy that does not exist");
    arena_free(&mem);
    context_free(cx);
    free(k);
}

const test_case suite_schedule[] = {
    {"random_traffic", random_traffic}, {"control", control}, {"order", order}, {0}};
