/* Models: what is initialised, saved and opened again gives the same logits. */
#include "model/kit/model.h"
#include "exec/plan.h"
#include "test.h"
#include <math.h>
#include <stdio.h>

enum { TOKENS = 9 };

typedef struct running {
    context *cx;
    graph *g;
    states *store;
    plan *p;
    value logits;
} running;

/* The graph of the logits of every token. */
static status build(running *r, context *cx, const model_config *config) {
    *r = (running){.cx = cx, .g = graph_new(cx), .store = states_new(cx)};
    if (!r->g || !r->store) return STATUS_NO_MEMORY;
    model_build b = {.g = r->g, .config = config};
    model_inputs in = model_build_inputs(r->g, 64, 4);
    graph_mark(r->g, MARK_OUTPUT, "logits", model_logits(&b, model_hidden(&b, in)), NO_VALUE);
    return graph_status(r->g);
}

static void end(running *r) {
    plan_free(r->p);
    states_free(r->store);
    graph_free(r->g);
}

/* Two sequences, of 4 and 5 tokens; the logits of all of them. */
static status run(running *r, const float **logits, int64_t *count) {
    int32_t *at;
    TRY(plan_new(r->cx, r->g, r->store, NULL, &(plan_options){.isa_limit = ISA_AMX}, &r->p));
    TRY(plan_load(r->p));
    TRY(plan_bind(r->p, (int64_t[]){0, TOKENS, 2}));
    static const int32_t offsets[3] = {0, 4, TOKENS};
    for (int32_t i = 0; i < TOKENS; i++) {
        at = plan_tensor(r->p, plan_find_input(r->p, "ids"))->data;
        at[i] = 7 * i + 3;
        at = plan_tensor(r->p, plan_find_input(r->p, "positions"))->data;
        at[i] = i < 4 ? i : i - 4;
    }
    memcpy(plan_tensor(r->p, plan_find_input(r->p, "offsets"))->data, offsets, sizeof offsets);
    plan_run(r->p, 0);
    const tensor *out = plan_tensor(r->p, plan_find_output(r->p, "logits"));
    *logits = out->data;
    *count = tensor_elems(out);
    return STATUS_OK;
}

static void saved_and_opened(test *t) {
    static const char *const types[] = {"llama", "gpt2", "gemma2"};
    for (int i = 0; i < COUNT_OF(types); i++) {
        context *cx = context_new();
        char folder[512];
        running a, b;
        model *m;
        model_config *c = context_zalloc(cx, sizeof *c);
        const float *x, *y;
        int64_t n, same;
        snprintf(folder, sizeof folder, "%s/%s", test_folder(t), types[i]);
        CHECK_OK(t, cx, model_config_start(cx, types[i], c));
        c->layers = c->heads = 2;
        c->hidden = 48;
        c->head_size = 24;
        c->vocabulary = 90;
        c->intermediate = c->positions = 64;
        if (i == 2) c->query_scale = 30;
        CHECK_OK(t, cx, model_config_complete(cx, c));
        CHECK_OK(t, cx, build(&a, cx, c));
        CHECK_OK(t, cx, model_init(c, a.store, a.g, 3));
        CHECK_OK(t, cx, run(&a, &x, &n));
        CHECK(t, n == TOKENS * 90, "%lld logits", (long long)n);
        CHECK_OK(t, cx, model_save(cx, folder, c, a.store, NULL));
        CHECK_OK(t, cx, model_open(cx, folder, &m));
        CHECK_OK(t, cx, build(&b, cx, &m->config));
        CHECK_OK(t, cx, model_load(m, b.store, b.g));
        CHECK_OK(t, cx, run(&b, &y, &same));
        CHECK(t, n == same && isfinite(x[0]) && !memcmp(x, y, (size_t)n * sizeof *x), "%s",
              types[i]);
        end(&a);
        end(&b);
        model_close(m);
        context_release(cx, c);
        CHECK(t, context_live_allocations(cx) == 0, "leak");
        context_free(cx);
    }
}

const test_case suite_models[] = {{"saved_and_opened", saved_and_opened}, {0}};
