/* The paged rewrite on a small transformer: the plain graph's logits when one step holds all, and equal bits
 * however a sequence is cut into steps, whoever else is in them, and wherever its pages lie. */
#include "exec/plan.h"
#include "graph/params.h"
#include "graph/rewrite.h"
#include "rewrite/paged.h"
#include "test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WIDTH = 64,
    VOCABULARY = 32,
    LAYERS = 2,
    LENGTH = 100,
    MOST_TOKENS = 256,
    MOST_SEQUENCES = 3
};

static value state_of(graph *g, const char *what, int layer, int64_t rows, int64_t columns) {
    char name[32];
    snprintf(name, sizeof name, "%s.%d", what, layer);
    return graph_state(g, name, type_fixed(num_find("f32"), 2, (int64_t[]){rows, columns}),
                       TAG_PARAMETER);
}

static value linear(graph *g, value x, const char *what, int layer, int64_t rows, int64_t columns) {
    return graph_apply(g, "matmul", "", 2, (value[]){x, state_of(g, what, layer, rows, columns)});
}

/* Grouped attention; the second layer sees a window of 40 keys. */
static graph *build(context *cx, bool causal) {
    graph *g = graph_new(cx);
    if (!g) return NULL;
    extent tokens = extent_symbol(graph_symbol(g, "tokens", MOST_TOKENS));
    extent bounds = extent_affine(graph_symbol(g, "sequences", MOST_SEQUENCES), 1, 1);
    value ids = graph_input(g, "ids", type_of(num_find("i32"), 1, &tokens));
    value offsets = graph_input(g, "offsets", type_of(num_find("i32"), 1, &bounds));
    value x = graph_apply(g, "embedding", "", 2,
                          (value[]){state_of(g, "table", 0, VOCABULARY, WIDTH), ids});
    for (int i = 0; i < LAYERS; i++) {
        char how[96];
        snprintf(how, sizeof how, "head=16, group=2, scale=0.25, causal=%s, window=%d",
                 causal ? "yes" : "no", i == 1 ? 40 : 0);
        value in[] = {linear(g, x, "q", i, WIDTH, WIDTH), linear(g, x, "k", i, WIDTH, WIDTH / 2),
                      linear(g, x, "v", i, WIDTH, WIDTH / 2), offsets};
        value y = linear(g, graph_apply(g, "attention", how, 4, in), "o", i, WIDTH, WIDTH);
        x = graph_apply(g, "add", "", 2, (value[]){x, y});
    }
    graph_mark(g, MARK_OUTPUT, "logits", linear(g, x, "head", 0, WIDTH, VOCABULARY), NO_VALUE);
    return g;
}

typedef struct lab {
    context *cx;
    graph *g;
    states *store;
    plan *p;
    int32_t page, table;
    bool paged, poisoned_key; /* the failing control: one key's slot is changed between steps */
    float logits[LENGTH][VOCABULARY];
} lab;

static status lab_open(lab *l, const paged_options *paged) {
    graph *plain = build(l->cx, true);
    uint32_t facts = 0;
    if (!plain) return STATUS_NO_MEMORY;
    l->g = plain;
    l->paged = paged != NULL;
    if (paged) {
        status st = rewrite_run(&rewrite_paged, plain, paged, &facts, &l->g);
        graph_free(plain);
        TRY(st);
        l->page = paged->page;
        l->table = (int32_t)paged->table;
    }
    l->store = states_new(l->cx);
    TRY(plan_new(l->cx, l->g, l->store, NULL, &(plan_options){.isa_limit = ISA_AMX, .poison = true},
                 &l->p));
    for (int32_t i = 0; i < states_count(l->store); i++) {
        const state *s = states_at(l->store, i);
        sample numbers = {.state =
                              (uint64_t)s->name[0] * 31 + (uint64_t)s->name[strlen(s->name) - 1]};
        for (int64_t k = 0; k < tensor_elems(&s->t) && s->tag == TAG_PARAMETER; k++)
            ((float *)s->t.data)[k] = (float)sample_real(&numbers, -0.4, 0.4);
        if (s->tag == TAG_KV) memset(s->t.data, 0xff, (size_t)s->size_bytes); /* stale pages: NaN */
    }
    return plan_load(l->p);
}

static void lab_close(lab *l) {
    plan_free(l->p);
    states_free(l->store);
    graph_free(l->g);
    context_free(l->cx);
}

static int32_t *input(const lab *l, const char *name) {
    return plan_tensor(l->p, plan_find_input(l->p, name))->data;
}

/* The page of a sequence: each has its own, laid from the last one down. */
static int32_t page_of(const lab *l, int32_t sequence, int32_t at) {
    return MOST_SEQUENCES * l->table - 1 - (at * MOST_SEQUENCES + sequence);
}

/* One step: tokens [from, to) of sequence 0, and of the others as many as `others` says. */
static status step(lab *l, int32_t from, int32_t to, int32_t sequences) {
    int32_t *ids = input(l, "ids"), *offsets = input(l, "offsets"), at = 0;
    TRY(plan_bind(l->p, (int64_t[]){0, (int64_t)(to - from) * sequences, sequences}));
    offsets[0] = 0;
    if (l->paged) input(l, "k_offsets")[0] = 0;
    for (int32_t s = 0; s < sequences; s++) {
        for (int32_t i = from; i < to; i++, at++) {
            ids[at] = (i * 7 + s * 3 + i / 5) % VOCABULARY;
            if (l->paged)
                input(l, "slots")[at] = page_of(l, s, i / l->page) * l->page + i % l->page;
        }
        offsets[s + 1] = at;
        if (!l->paged) continue;
        input(l, "k_offsets")[s + 1] = input(l, "k_offsets")[s] + to;
        for (int32_t k = 0; k < l->table; k++)
            input(l, "table")[s * l->table + k] = page_of(l, s, k);
    }
    plan_run(l->p, 1);
    memcpy(l->logits[from], plan_tensor(l->p, plan_find_output(l->p, "logits"))->data,
           (size_t)(to - from) * sizeof l->logits[0]);
    if (l->poisoned_key) {
        char *k = states_find(l->store, "kv.0.k")->t.data;
        memset(k + page_of(l, 0, 0) * l->page * WIDTH / 2 * 4, 0, 4);
    }
    return STATUS_OK;
}

static status run_all(lab *l, const char *format, int32_t page, int32_t chunk, int32_t sequences) {
    paged_options paged = {.format = format && strcmp(format, "plain") ? num_find(format) : NULL,
                           .page = page,
                           .table = page ? div_up(LENGTH, page) : 0};
    l->cx = context_new();
    paged.pages = MOST_SEQUENCES * paged.table;
    TRY(lab_open(l, page ? &paged : NULL));
    for (int32_t at = 0; at < LENGTH; at += chunk)
        TRY(step(l, at, MIN_OF(at + chunk, LENGTH), sequences));
    return STATUS_OK;
}

static double distance(const lab *a, const lab *b) {
    double worst = 0;
    for (int i = 0; i < LENGTH; i++)
        for (int k = 0; k < VOCABULARY; k++) {
            double d = fabs((double)a->logits[i][k] - (double)b->logits[i][k]);
            worst = d <= worst ? worst : isnan(d) ? INFINITY : d;
        }
    return worst;
}

static double largest(const lab *l) {
    double most = 0;
    for (int i = 0; i < LENGTH; i++)
        for (int k = 0; k < VOCABULARY; k++) most = fmax(most, fabs((double)l->logits[i][k]));
    return most;
}

static void cuts(test *t) {
    static const char *const formats[] = {"plain", "f32", "bf16", "f16", "int8_row"};
    static const struct {
        int32_t page, chunk, sequences;
    } ways[] = {{16, LENGTH, 1}, {16, 1, 1},  {16, 7, 3},      {64, LENGTH, 1}, {64, 33, 2},
                {LENGTH, 10, 1}, {16, 64, 3}, {LENGTH, 60, 2}, {64, 1, 3}};
    lab *one = malloc(sizeof *one), *other = malloc(sizeof *other), *plain = malloc(sizeof *plain);
    *plain = (lab){0};
    CHECK_OK(t, plain->cx, run_all(plain, NULL, 0, LENGTH, 1));
    double size = largest(plain);
    for (int f = 0; f < COUNT_OF(formats); f++) {
        for (int w = 0; w < COUNT_OF(ways); w++) {
            lab *now = w ? other : one;
            *now = (lab){0};
            CHECK_OK(t, now->cx,
                     run_all(now, formats[f], ways[w].page, ways[w].chunk, ways[w].sequences));
            if (w) {
                CHECK(t, !memcmp(one->logits, other->logits, sizeof one->logits),
                      "%s, pages of %d, steps of %d, %d sequences: other bits", formats[f],
                      ways[w].page, ways[w].chunk, ways[w].sequences);
                lab_close(other);
            }
        }
        double moved = distance(one, plain), most = f < 2 ? 0 : num_find(formats[f])->error * size;
        CHECK(t, moved <= 4 * most, "%s: %g from the plain graph, %g allowed", formats[f], moved,
              4 * most);
        lab_close(one);
    }
    *one = (lab){.poisoned_key = true};
    CHECK_OK(t, one->cx, run_all(one, "plain", 16, 50, 1));
    CHECK(t, distance(one, plain) > 1e-6, "a changed key was not seen");
    lab_close(one);
    lab_close(plain);
    free(one);
    free(other);
    free(plain);
}

static void refusals(test *t) {
    context *cx = context_new();
    graph *g = build(cx, false), *paged;
    uint32_t facts = 0;
    CHECK_FAILS(t, cx, rewrite_run(&rewrite_paged, g, NULL, &facts, &paged), STATUS_UNSUPPORTED,
                "attention 0 lets queries see later keys");
    graph_free(g);
    CHECK(t, context_live_allocations(cx) == 0, "%lld left",
          (long long)context_live_allocations(cx));
    context_free(cx);
}

/* A graph that is paged already is left as it is. */
static void twice(test *t) {
    context *cx = context_new();
    graph *g = build(cx, true), *once, *again;
    uint32_t facts = 0;
    CHECK_OK(t, cx, rewrite_run(&rewrite_paged, g, NULL, &facts, &once));
    CHECK_OK(t, cx, rewrite_run(&rewrite_paged, once, NULL, &facts, &again));
    CHECK(t, again->n_nodes == once->n_nodes && once->n_nodes > g->n_nodes, "%d, %d, %d nodes",
          g->n_nodes, once->n_nodes, again->n_nodes);
    graph_free(again);
    graph_free(once);
    graph_free(g);
    context_free(cx);
}

const test_case suite_paged[] = {{"cuts", cuts}, {"refusals", refusals}, {"twice", twice}, {0}};
