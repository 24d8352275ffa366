/* The embedder on a tiny encoder with random weights: a text gives the same bits alone and among others of other
 * lengths, in one step or several; what it cannot take is refused. */
#include "infer/embed.h"
#include "test.h"
#include <stdlib.h>

enum { TEXTS = 9, LONGEST = 40, WIDTH = 64 };

static status draw_weights(void *user, states *store, const graph *g) {
    return model_init(user, store, g, 5);
}

static status make_config(context *cx, model_config *c) {
    TRY(model_config_start(cx, "bert", c));
    c->layers = 2;
    c->hidden = WIDTH;
    c->heads = c->kv_heads = 4;
    c->intermediate = 128;
    c->vocabulary = 300;
    c->positions = LONGEST;
    c->initializer_range = 0.2;
    return model_config_complete(cx, c);
}

static void alone_and_among(test *t) {
    static int32_t ids[TEXTS][LONGEST];
    static float all[TEXTS * WIDTH], few[TEXTS * WIDTH], one[WIDTH];
    context *cx = context_new();
    model_config c;
    embedder_text texts[TEXTS];
    embedder *wide, *narrow;
    CHECK_OK(t, cx, make_config(cx, &c));
    engine_model m = {.config = &c, .fill = draw_weights, .user = &c};
    sample s = {.state = 3};
    for (int i = 0; i < TEXTS; i++) {
        texts[i] = (embedder_text){ids[i], 1 + (i * 17) % LONGEST};
        for (int k = 0; k < LONGEST; k++) ids[i][k] = (int32_t)sample_int(&s, 0, 299);
    }
    CHECK_OK(t, cx, embedder_open(cx, &m, &(embedder_options){.threads = 2}, &wide));
    CHECK_OK(t, cx,
             embedder_open(cx, &m, &(embedder_options){.tokens = 50, .sequences = 3, .threads = 1},
                           &narrow));
    CHECK_OK(t, cx, embedder_run(wide, texts, TEXTS, all));
    CHECK_OK(t, cx, embedder_run(narrow, texts, TEXTS, few));
    CHECK(t, !memcmp(all, few, sizeof all), "other bits in other steps");
    for (int i = 0; i < TEXTS; i++) {
        CHECK_OK(t, cx, embedder_run(wide, &texts[i], 1, one));
        CHECK(t, !memcmp(one, all + i * WIDTH, sizeof one), "text %d: other bits alone", i);
    }
    ids[2][0] ^= 1;
    CHECK_OK(t, cx, embedder_run(wide, texts, TEXTS, few));
    for (int i = 0; i < TEXTS; i++)
        CHECK(t, !memcmp(few + i * WIDTH, all + i * WIDTH, sizeof one) == (i != 2), "text %d", i);
    texts[1].n = LONGEST + 1;
    CHECK_FAILS(t, cx, embedder_run(wide, texts, TEXTS, few), STATUS_BAD_ARGUMENT,
                "text 2 has 41 tokens");
    texts[1].n = 0;
    CHECK_FAILS(t, cx, embedder_run(wide, texts, TEXTS, few), STATUS_BAD_ARGUMENT,
                "text 2 is empty");
    ids[0][0] = 300;
    CHECK_FAILS(t, cx, embedder_run(wide, texts, 1, few), STATUS_BAD_ARGUMENT,
                "token 300 of text 1");
    embedder_close(wide);
    embedder_close(narrow);
    CHECK(t, context_live_allocations(cx) == 0, "%lld left",
          (long long)context_live_allocations(cx));
    context_free(cx);
}

const test_case suite_embedder[] = {{"alone_and_among", alone_and_among}, {0}};
