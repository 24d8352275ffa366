/* The schedule alone under a virtual clock, driven through random arrivals, cancels, guesses and lengths with far too
 * few pages, by every policy: pages are conserved, budgets kept, nobody starves, everybody finishes, and at the end the
 * free list holds what it held at first. HONE_ARRIVALS says how many arrive (5,000; in make slow 100,000). */
#include "infer/schedule.h"
#include "base/rng.h"
#include "test.h"
#include <stdlib.h>

enum { PAGE = 4, TABLE = 24, QUEUE = 64, PAGES = 40, LIVE = 48, ARRIVALS = 5000 };
static const double PATIENCE = 30; /* seconds from arrival to end, at most */

typedef struct traffic {
    test *t;
    schedule x;
    rng r;
    sequence all[LIVE];
    int32_t memory[LIVE][TABLE];
    int64_t goal[LIVE]; /* tokens at which it is done; 0: not there */
    double now, next;   /* seconds: the clock, and the next arrival */
    double since[LIVE], longest;
    int32_t tokens[LIVE][TABLE * PAGE]; /* few different ones, so that prompts begin alike */
    int64_t arrived, finished, cancelled, displaced;
    bool leak; /* the failing control: a page is held once too often */
} traffic;

static void arrive(traffic *k, int i) {
    int64_t prompt = 1 + (int64_t)rng_below(&k->r, 40);
    k->all[i] = (sequence){.n_tokens = prompt,
                           .rows_from = prompt - 1,
                           .pages = k->memory[i],
                           .tokens = k->tokens[i],
                           .client = rng_below(&k->r, 5),
                           .salt = rng_below(&k->r, 2),
                           .priority = (int64_t)rng_below(&k->r, 3)};
    for (int64_t at = 0; at < TABLE * PAGE; at++) /* prompts begin alike, some for long */
        k->tokens[i][at] = at < (int64_t)rng_below(&k->r, 60) ? 0 : (int32_t)rng_below(&k->r, 3);
    k->goal[i] = MIN_OF(prompt + 1 + (int64_t)rng_below(&k->r, 50), TABLE * PAGE);
    k->since[i] = k->now;
    k->arrived++;
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
    for (int32_t p = 0; p < PAGES; p++) held[p] += k->x.pages.kept[p];
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
        if (e->tokens < 1 || end > e->s->n_tokens + e->s->n_guessed)
            return "an entry runs past its tokens";
        if (e->rows != MAX_OF(0, end - MAX_OF(e->s->rows_from, e->s->n_cached)))
            return "rows are not those that were asked for";
        if (e->s->n_pages * PAGE < end) return "an entry lacks pages";
        for (int64_t at = e->s->n_cached / PAGE; at < div_up(end, PAGE); at++)
            if (pages_shared(&x->pages, e->s->pages[at]))
                return "a page is written that others hold";
    }
    if (tokens > x->limits.tokens || rows > x->limits.rows || x->n_entries > x->limits.sequences)
        return "a budget is exceeded";
    if (!x->n_entries && (x->n_running || x->n_waiting)) return "nothing goes on";
    return holders_add_up(k) ? NULL : "pages are lost or held twice";
}

/* What the step has computed: known tokens, then guesses of which the first few are right. */
static void settle(traffic *k, const schedule_entry *e) {
    sequence *s = e->s;
    int at = (int)(s - k->all);
    int64_t known = MIN_OF(e->tokens, s->n_tokens - s->n_cached), guesses = e->tokens - known;
    schedule_computed(&k->x, s, known);
    s->rows_from = MAX_OF(s->rows_from, s->n_cached);
    bool draws = s->n_cached == s->n_tokens;
    while (draws) {
        if (++s->n_tokens >= k->goal[at]) {
            k->longest = MAX_OF(k->longest, k->now - k->since[at]);
            leave(k, at);
            k->finished++;
            return;
        }
        draws = guesses-- > 0 && rng_below(&k->r, 3);
        if (draws) schedule_computed(&k->x, s, 1);
    }
}

static void come_and_go(traffic *k) {
    for (; k->now >= k->next; k->next += rng_uniform(&k->r) * 0.05)
        for (int i = 0; i < LIVE; i++)
            if (!k->goal[i]) {
                arrive(k, i);
                break;
            }
    for (int i = 0; i < LIVE; i++) {
        sequence *s = &k->all[i];
        if (!k->goal[i]) continue;
        if (rng_below(&k->r, 900) == 0) leave(k, i), k->cancelled++;
        bool decodes = k->goal[i] && s->state == SEQUENCE_RUNS && s->n_tokens - s->n_cached == 1;
        s->n_guessed =
            decodes ? MIN_OF((int64_t)rng_below(&k->r, 5), k->goal[i] - s->n_tokens - 1) : 0;
        if (s->n_guessed < 0) s->n_guessed = 0;
    }
}

static const char *one_step(traffic *k) {
    come_and_go(k);
    schedule_step(&k->x);
    const char *wrong = check_step(k);
    int64_t tokens = 0;
    for (int32_t i = 0; i < k->x.n_entries; i++) tokens += k->x.entries[i].tokens;
    k->now += 0.005 + 0.001 * (double)tokens;
    for (int32_t i = 0; i < k->x.n_entries; i++) settle(k, &k->x.entries[i]);
    for (int i = 0; i < LIVE && !wrong; i++)
        if (k->goal[i] && k->now - k->since[i] > PATIENCE) wrong = "somebody starves";
    if (k->leak && k->x.n_running && k->x.running[0]->n_pages)
        pages_hold(&k->x.pages, k->x.running[0]->pages[0]);
    return wrong;
}

static status start(traffic *k, arena *mem, const policy_def *policy, uint64_t seed) {
    schedule_limits limits = {.tokens = 16 + (int64_t)(seed % 3) * 24,
                              .sequences = 8,
                              .rows = 8 + (int64_t)(seed % 2) * 16,
                              .page = PAGE,
                              .table = TABLE,
                              .queue = QUEUE,
                              .keeps_prefixes = seed % 4 < 2};
    memset(k, 0, sizeof *k);
    k->r = rng_make(seed, 5);
    return schedule_make(mem, &limits, policy, PAGES, &k->x);
}

/* All pages are free, each once. */
static bool all_free(const schedule *x) {
    bool seen[PAGES] = {false};
    for (int32_t i = 0; i < x->pages.n_free; i++) seen[x->pages.free[i]] = true;
    for (int32_t i = 0; i < PAGES; i++)
        if (!seen[i] || x->pages.holders[i]) return false;
    return x->pages.n_free == PAGES && !x->n_waiting && !x->n_running;
}

static void run_traffic(test *t, traffic *k, const policy_def *policy, uint64_t seed,
                        int64_t arrivals) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    CHECK_OK(t, cx, start(k, &mem, policy, seed));
    for (int64_t i = 0; k->arrived < arrivals; i++) {
        const char *wrong = one_step(k);
        CHECK(t, !wrong, "%s, seed %d, step %lld: %s", policy->name, (int)seed, (long long)i,
              wrong);
    }
    CHECK(t, k->finished * 2 > arrivals && k->cancelled * 100 > arrivals && k->x.sent_back > 10,
          "%s: %lld finished, %lld cancelled, %lld sent back", policy->name, (long long)k->finished,
          (long long)k->cancelled, (long long)k->x.sent_back);
    for (int i = 0; i < LIVE; i++)
        if (k->goal[i]) leave(k, i);
    while (k->x.prefix && prefix_evict(k->x.prefix)) {
    }
    CHECK(t, all_free(&k->x), "%s: %d pages free", policy->name, k->x.pages.n_free);
    arena_free(&mem);
    context_free(cx);
}

static void random_traffic(test *t) {
    const char *asked = getenv("HONE_ARRIVALS");
    int64_t arrivals = asked ? atoll(asked) : ARRIVALS;
    traffic *k = calloc(1, sizeof *k);
    for (int32_t i = 0; registry_policy[i]; i++)
        for (uint64_t seed = 0; seed < 4; seed++)
            run_traffic(t, k, registry_policy[i], seed, arrivals / 4);
    free(k);
}

static bool never_client_0(const sequence *a, const sequence *b) {
    return !a->client != !b->client ? a->client > 0 : a->arrived < b->arrived;
}
static const policy_def unjust = {.name = "unjust", .before = never_client_0};

/* What is wrong is seen: a page held once too often, and one who waits for ever. */
static void control(test *t) {
    traffic *k = calloc(1, sizeof *k);
    for (int way = 0; way < 2; way++) {
        context *cx = context_new();
        arena mem = arena_make(cx);
        CHECK_OK(t, cx, start(k, &mem, way ? &unjust : policy_find("first_come"), 2));
        k->leak = way == 0;
        const char *wrong = NULL;
        for (int i = 0; i < 10000 && !wrong; i++) wrong = one_step(k);
        CHECK(t, wrong != NULL, "control %d was not seen", way);
        arena_free(&mem);
        context_free(cx);
    }
    free(k);
}

/* Without new arrivals, those that wait are served in the order in which they came. */
static void order(test *t) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    traffic *k = calloc(1, sizeof *k);
    CHECK_OK(t, cx, start(k, &mem, policy_find("first_come"), 2));
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

/* After a flood of one client comes one sequence of another: how many of the flood end before it. */
static int64_t flooded(test *t, const char *policy) {
    enum { FLOOD = LIVE - 1 };
    context *cx = context_new();
    arena mem = arena_make(cx);
    traffic *k = calloc(1, sizeof *k);
    int64_t ended = 0;
    if (start(k, &mem, policy_find(policy), 2) != STATUS_OK) test_fail(t, policy, 0, "start", "-");
    for (int i = 0; i < LIVE; i++) {
        k->all[i] = (sequence){.n_tokens = 20,
                               .rows_from = 19,
                               .pages = k->memory[i],
                               .client = i == FLOOD,
                               .priority = -(i == FLOOD)};
        k->goal[i] = 60;
        schedule_add(&k->x, &k->all[i]);
    }
    while (k->goal[FLOOD]) {
        schedule_step(&k->x);
        for (int32_t i = 0; i < k->x.n_entries; i++) settle(k, &k->x.entries[i]);
    }
    for (int i = 0; i < FLOOD; i++) ended += !k->goal[i];
    arena_free(&mem);
    context_free(cx);
    free(k);
    return ended;
}

static void floods(test *t) {
    int64_t first = flooded(t, "first_come"), fair = flooded(t, "fair"),
            priority = flooded(t, "priority");
    CHECK(t, first > LIVE - 10, "first come: %lld went before", (long long)first);
    CHECK(t, fair < 10, "fair: %lld went before", (long long)fair);
    CHECK(t, priority < 3, "priority: %lld went before", (long long)priority);
}

const test_case suite_schedule[] = {{"random_traffic", random_traffic},
                                    {"control", control},
                                    {"order", order},
                                    {"floods", floods},
                                    {0}};
