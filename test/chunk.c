/* How much of the prompts rides with answers (infer/chunk.h), under a virtual clock: a step over n tokens takes
 * FIXED + EACH n seconds. Streams that each send their next request when the last is answered keep a schedule full. */
#include "infer/chunk.h"
#include "infer/engine.h"
#include "base/sort.h"
#include "test.h"
#include <math.h>
#include <stdlib.h>

enum { STREAMS = 32, ROUNDS = 4, PROMPT = 128, ANSWER = 64, PAGE = 16, TABLE = 12, TOKENS = 512 };
static const double FIXED = 0.002, EACH = 0.002;

typedef struct shop {
    schedule x;
    pace p;
    reading r;
    sequence all[STREAMS];
    int32_t memory[STREAMS][TABLE];
    double now, asked[STREAMS], first[STREAMS * ROUNDS], longest;
    int32_t sent, told;
} shop;

static void ask(shop *k, int i) {
    if (k->sent == STREAMS * ROUNDS) return;
    k->all[i] = (sequence){.n_tokens = PROMPT, .rows_from = PROMPT - 1, .pages = k->memory[i]};
    k->asked[i] = k->now;
    k->sent += schedule_add(&k->x, &k->all[i]);
}

static void settle(shop *k, const schedule_entry *e) {
    sequence *s = e->s;
    schedule_computed(&k->x, s, e->tokens);
    s->rows_from = MAX_OF(s->rows_from, s->n_cached);
    if (s->n_cached < s->n_tokens) return;
    if (s->n_tokens == PROMPT) k->first[k->told++] = k->now - k->asked[s - k->all];
    if (++s->n_tokens < PROMPT + ANSWER) return;
    schedule_remove(&k->x, s);
    ask(k, (int)(s - k->all));
}

static int64_t decoding(const schedule *x) {
    int64_t n = 0;
    for (int32_t i = 0; i < x->n_running; i++)
        n += x->running[i]->n_tokens - x->running[i]->n_cached == 1;
    return n;
}

/* One step; `steady`: of the stretch alone, whatever waits. */
static void one_step(shop *k, bool steady) {
    double plain = pace_seconds(&k->p, decoding(&k->x));
    chunk_limits l = {.tokens = TOKENS,
                      .stretch = ENGINE_STRETCH,
                      .seconds = steady ? ENGINE_STRETCH * plain : 0};
    k->x.limits.tokens = chunk_budget(&l, &k->x, &k->p, &k->r);
    int64_t answers = decoding(&k->x), tokens = 0;
    schedule_step(&k->x);
    for (int32_t i = 0; i < k->x.n_entries; i++) tokens += k->x.entries[i].tokens;
    double took = FIXED + EACH * (double)tokens;
    k->now += took;
    if (answers) k->longest = MAX_OF(k->longest, took);
    chunk_saw(&k->x, &k->p, took, &k->r);
    pace_stepped(&k->p, tokens, 0, took);
    for (int32_t i = 0; i < k->x.n_entries; i++) settle(k, &k->x.entries[i]);
}

static status open_shop(shop *k, arena *mem, int64_t seats) {
    schedule_limits limits = {.tokens = TOKENS,
                              .sequences = seats,
                              .rows = STREAMS,
                              .page = PAGE,
                              .table = TABLE,
                              .queue = STREAMS};
    memset(k, 0, sizeof *k);
    pace_begin(&k->p);
    for (int64_t n = 1; n <= TOKENS; n *= 2) pace_stepped(&k->p, n, 0, FIXED + EACH * (double)n);
    reading_saw(&k->r, TOKENS, 0, EACH * TOKENS);
    return schedule_make(mem, &limits, policy_find("first_come"), STREAMS * TABLE, &k->x);
}

typedef struct outcome {
    double half, longest; /* seconds: within which half of the first tokens came; beside answers */
    int32_t told;
} outcome;

static outcome serve(bool steady) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    shop *k = malloc(sizeof *k);
    outcome out = {0};
    if (open_shop(k, &mem, STREAMS) == STATUS_OK) {
        for (int i = 0; i < STREAMS; i++) ask(k, i);
        while (k->x.n_running || k->x.n_waiting) one_step(k, steady);
        out = (outcome){sort_median(k->first, k->told), k->longest, k->told};
    }
    free(k);
    arena_free(&mem);
    context_free(cx);
    return out;
}

/* Two thirds of all work are prompts: where they never get more than that, any number of them may wait for ever. */
static void many_wait(test *t) {
    outcome now = serve(false), steady = serve(true);
    double all = STREAMS * PROMPT * EACH;
    CHECK(t, now.told == STREAMS * ROUNDS && steady.told == now.told, "%d, %d were answered",
          now.told, steady.told);
    CHECK(t, now.half < 0.4 * steady.half, "first token within %.2f s, %.2f with steady steps",
          now.half, steady.half);
    CHECK(t, now.longest < 0.06 * all, "an answer waited %.3f s, prompts take %.2f", now.longest,
          all);
}

static void add(shop *k, int i, int64_t tokens) {
    k->all[i] = (sequence){.n_tokens = tokens, .rows_from = tokens - 1, .pages = k->memory[i]};
    k->sent += schedule_add(&k->x, &k->all[i]);
}

/* The budget beside an answer and a prompt, where so many others wait and there is room for `seats`. */
static int64_t budget_among(int64_t seats, int others) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    shop *k = malloc(sizeof *k);
    chunk_limits l = {.tokens = TOKENS, .stretch = 3};
    int64_t budget = 0;
    if (open_shop(k, &mem, seats) == STATUS_OK) {
        add(k, 0, 1);
        schedule_step(&k->x);
        settle(k, k->x.entries);
        add(k, 1, PROMPT);
        k->x.limits.tokens = 4;
        schedule_step(&k->x); /* the prompt has begun */
        for (int i = 0; i < others; i++) add(k, 2 + i, PROMPT);
        budget = chunk_budget(&l, &k->x, &k->p, &k->r);
    }
    free(k);
    arena_free(&mem);
    context_free(cx);
    return budget;
}

static void seats(test *t) {
    int64_t none = budget_among(STREAMS, 0), many = budget_among(STREAMS, 20),
            full = budget_among(2, 20);
    CHECK(t, none < many, "%d tokens with a prompt, %d with 21", (int)none, (int)many);
    CHECK(t, none == full, "%d tokens; %d where others wait for a seat", (int)none, (int)full);
}

/* A prompt read in pieces, each token of which takes A seconds and as much again for every DEPTH tokens before it. */
static void depth(test *t) {
    enum { PIECE = 150, DEPTH = 2000, ALL = 4000, SEEN = 1200 };
    reading r = {0};
    double a = 0.0002, all = a * ALL * (1 + ALL / 2.0 / DEPTH), flat;
    reading_saw(&r, PIECE, 0, a * PIECE);
    flat = reading_seconds(&r, 0, ALL);
    for (int64_t at = 0; at < SEEN; at += PIECE) {
        double pairs = reading_pairs(at, PIECE);
        reading_saw(&r, PIECE, pairs, a * (PIECE + pairs / DEPTH));
    }
    double now = reading_seconds(&r, 0, ALL), next = 0.05;
    CHECK(t, fabs(now / all - 1) < 0.15, "%.3f s, of %.3f", now, all);
    CHECK(t, flat < 0.6 * all, "%.3f s before depths were seen, of %.3f", flat, all);
    int64_t fits = reading_fits(&r, SEEN, ALL, next);
    double takes = reading_seconds(&r, SEEN, fits), more = reading_seconds(&r, SEEN, fits + 1);
    CHECK(t, takes <= next && next < more, "%lld tokens take %.4f s", (long long)fits, takes);
}

const test_case suite_chunk[] = {{"many_wait", many_wait}, {"seats", seats}, {"depth", depth}, {0}};
