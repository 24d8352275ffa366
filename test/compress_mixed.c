/* A format for each matrix under a budget: the budget holds and is used, more bytes buy more quality, and what matters
 * gets the finer formats. */
#include "kit/compress_case.h"
#include <stdio.h>
#include <stdlib.h>

#define FORMATS "formats=\"q4_0,q5_0,q8_0\""

static void budgets(test *t) {
    static const double bits[] = {4.7, 6, 6};
    compress_case k;
    compress_result r;
    char recipe[128];
    double loss[COUNT_OF(bits)];
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    for (int64_t i = 0; i < COUNT_OF(bits); i++) {
        if (i < 2)
            snprintf(recipe, sizeof recipe, "mixed(%g, " FORMATS ")", bits[i]);
        else
            snprintf(recipe, sizeof recipe, "mixed(size=%lld, " FORMATS ")",
                     (long long)(bits[i] / 8 * (double)r.parameters));
        CHECK_OK(t, k.cx, compress_case_run(&k, recipe, k.gguf, &r));
        CHECK(t, r.bits_per_weight <= bits[i] && r.bits_per_weight > bits[i] - 0.3,
              "%s: %.3f bits a weight", recipe, r.bits_per_weight);
        CHECK_OK(t, k.cx, compress_case_nats(&k, k.gguf, NULL, &loss[i]));
    }
    CHECK(t, loss[1] == loss[2], "%.6f and %.6f under one budget", loss[1], loss[2]);
    compress_case_close(t, &k);
}

/* A method from outside: layer 0's output and down matrices, and nothing else of it, are made useless. */
static status mute(compress *c, const void *options) {
    (void)options;
    for (int64_t i = 0; i < c->n_products; i++) {
        const product *p = &c->products[i];
        if (p->layer || (!strstr(p->w->name, "o_proj") && !strstr(p->w->name, "down"))) continue;
        float *none = calloc((size_t)(p->n * p->k), sizeof *none);
        status st = none ? weights_set_values(c, p->w, none) : STATUS_NO_MEMORY;
        free(none);
        TRY(st);
    }
    return STATUS_OK;
}

static const compress_method method_mute = {.name = "mute", .help = "", .apply = mute};
static const compress_method *const more[] = {&method_mute, NULL};

static int64_t bits_of(const model *m, const char *name) {
    const modelfile_tensor *w = modelfile_find(&m->file, name);
    return w ? 8 * w->format->block_bytes / w->format->block_elems : -1;
}

static void what_matters(test *t) {
    static const char *const parts[] = {"attn_q", "attn_k", "attn_v", "ffn_gate", "ffn_up"};
    compress_case k;
    compress_result r;
    model *m;
    int64_t useless = 0, useful = 0;
    char name[64];
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    compress_options o = compress_case_options(&k, "mute > mixed(6, " FORMATS ")", k.gguf);
    o.methods = more;
    CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
    CHECK_OK(t, k.cx, model_open(k.cx, k.gguf, &m));
    for (int64_t i = 0; i < COUNT_OF(parts); i++) {
        snprintf(name, sizeof name, "blk.0.%s.weight", parts[i]);
        useless += bits_of(m, name);
        snprintf(name, sizeof name, "blk.1.%s.weight", parts[i]);
        useful += bits_of(m, name);
    }
    CHECK(t, useful >= useless + 5, "%lld bits, %lld bits", (long long)useless, (long long)useful);
    model_close(m);
    compress_case_close(t, &k);
}

static void refusals(test *t) {
    static const struct {
        const char *recipe, *words;
    } bad[] = {{"mixed()", "give a budget"},
               {"mixed(4, size=1M)", "give a budget"},
               {"mixed(3, " FORMATS ")", "cannot be reached"},
               {"mixed(5, formats=\"q4_0,q9\")", "there is no format 'q9'"},
               {"round(4, group=32) > mixed(5)", "codes already"}};
    compress_case k;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    for (int64_t i = 0; i < COUNT_OF(bad); i++)
        compress_case_refused(t, &k, bad[i].recipe, k.gguf, bad[i].words);
    compress_case_close(t, &k);
}

const test_case suite_compress_mixed[] = {
    {"budgets", budgets}, {"what_matters", what_matters}, {"refusals", refusals}, {0}};
