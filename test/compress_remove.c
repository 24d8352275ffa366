/* Structured removal: what does nothing goes first and takes no bit of quality with it; what is left is a model of the
 * size that the formula says. */
#include "compress/kit/shrink.h"
#include "kit/compress_case.h"
#include <math.h>
#include <stdlib.h>

/* Makes useless: the first head of keys with its queries, every neuron but 32, and in `whole` layers everything. */
static status kill(compress *c, bool whole) {
    int64_t dead_heads = c->config.heads / c->config.kv_heads * c->config.head_size;
    for (int64_t i = 0; i < c->n_products; i++) {
        const product *p = &c->products[i];
        bool reads_heads = strstr(p->w->name, "o_proj"), reads_neurons = strstr(p->w->name, "down");
        if (!reads_heads && !reads_neurons) continue;
        float *x = malloc((size_t)(p->n * p->k) * sizeof *x);
        weights_values(p->w, x);
        for (int64_t j = 0; j < p->n * p->k; j++) {
            int64_t column = j % p->k;
            bool dead = reads_heads ? column < dead_heads : column % 8 != 1;
            if (dead || (whole && p->layer == 0)) x[j] = 0;
        }
        status st = weights_set_values(c, p->w, x);
        free(x);
        TRY(st);
    }
    return STATUS_OK;
}

static status kill_parts(compress *c, const void *options) {
    (void)options;
    return kill(c, false);
}

static status kill_layer(compress *c, const void *options) {
    (void)options;
    return kill(c, true);
}

static const compress_method parts = {.name = "parts", .help = "", .apply = kill_parts},
                             layer = {.name = "layer", .help = "", .apply = kill_layer};
static const compress_method *const more[] = {&parts, &layer, NULL};

static status try(compress_case *k, const char *recipe, double *out, compress_result *r) {
    compress_options o = compress_case_options(k, recipe, NULL);
    o.methods = more;
    compress_case_remove(o.out);
    TRY(compress_run(k->cx, &o, r));
    return compress_case_nats(k, k->out, NULL, out);
}

/* Of the case's model with so many layers, heads of keys (2 of queries each, 32 wide) and neurons. */
static int64_t parameters(int64_t layers, int64_t heads, int64_t neurons) {
    int64_t wide = 128, attention = wide * 32 * (2 * heads + 2 * heads + 2 * heads);
    return 512 * wide + wide + layers * (2 * wide + attention + 3 * wide * neurons);
}

static void useless_first(test *t) {
    compress_case k;
    compress_result r;
    double before, cut, whole, shorter, live;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    CHECK_OK(t, k.cx, try(&k, "parts", &before, &r));
    CHECK(t, r.parameters == parameters(2, 2, 256), "%lld", (long long)r.parameters);
    CHECK_OK(t, k.cx, try(&k, "parts > remove(heads=0.5, neurons=0.875)", &cut, &r));
    CHECK(t, r.parameters == parameters(2, 1, 32), "%lld, not %lld", (long long)r.parameters,
          (long long)parameters(2, 1, 32));
    CHECK(t, fabs(cut - before) < 1e-5, "%.7f nats, %.7f before", cut, before);
    CHECK_OK(t, k.cx, try(&k, "layer", &whole, &r));
    CHECK_OK(t, k.cx, try(&k, "layer > remove(1)", &shorter, &r));
    CHECK(t, r.parameters == parameters(1, 2, 256), "%lld", (long long)r.parameters);
    CHECK(t, fabs(shorter - whole) < 1e-5, "%.7f nats, %.7f before", shorter, whole);
    CHECK_OK(t, k.cx, try(&k, "remove(heads=0.5, neurons=0.875)", &live, &r));
    CHECK(t, fabs(live - cut) > 1e-3, "parts that work cost nothing");
    compress_case_close(t, &k);
}

static void refusals(test *t) {
    static const struct {
        const char *recipe, *words;
    } bad[] = {{"remove()", "nothing goes"},
               {"remove(2)", "one at least must stay"},
               {"remove(heads=1)", "heads"},
               {"round(4, group=32) > remove(1)", "codes already"}};
    compress_case k;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    for (int64_t i = 0; i < COUNT_OF(bad); i++)
        compress_case_refused(t, &k, bad[i].recipe, NULL, bad[i].words);
    compress_case_close(t, &k);
}

const test_case suite_compress_remove[] = {
    {"useless_first", useless_first}, {"refusals", refusals}, {0}};
