/* Methods that learn: recovery, distillation, training aware of rounding, each against what it must beat; zeros of a
 * pruned model stay; a repeated run has the same bits. */
#include "base/file.h"
#include "compress/kit/learn.h"
#include "kit/compress_case.h"
#include <stdio.h>
#include <stdlib.h>

#define LEARNS "batch=4, length=32, lr=0.003"

static status after(compress_case *k, const char *recipe, double *out) {
    TRY(compress_case_run(k, recipe, NULL, NULL));
    return compress_case_nats(k, k->out, NULL, out);
}

static void recovery(test *t) {
    compress_case k;
    compress_result a, b;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    double before, learned;
    CHECK_OK(t, k.cx, compress_case_nats(&k, k.model, NULL, &before));
    CHECK_OK(t, k.cx, after(&k, "finetune(60, " LEARNS ")", &learned));
    CHECK(t, learned < before - 1, "%.3f nats, %.3f before", learned, before);
    CHECK_OK(t, k.cx, compress_case_run(&k, "finetune(5, " LEARNS ")", NULL, &a));
    CHECK_OK(t, k.cx, compress_case_run(&k, "finetune(5, " LEARNS ")", NULL, &b));
    CHECK(t, !strcmp(a.sha256, b.sha256), "another run, other bits");
    CHECK_OK(t, k.cx, compress_case_run(&k, "finetune(6, " LEARNS ")", NULL, &b));
    CHECK(t, strcmp(a.sha256, b.sha256) != 0, "another step, the same bits");
    compress_case_close(t, &k);
}

static void aware_of_rounding(test *t) {
    compress_case k;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    double free, rounded, aware;
    CHECK_OK(t, k.cx, after(&k, "finetune(60, " LEARNS ")", &free));
    CHECK_OK(t, k.cx, after(&k, "finetune(60, " LEARNS ") > round(2, group=32)", &rounded));
    CHECK_OK(
        t, k.cx,
        after(&k, "finetune(30, " LEARNS ") > qat(2, group=32, steps=30, " LEARNS ")", &aware));
    CHECK(t, rounded > free, "rounding to 2 bits cost nothing: %.3f, %.3f", rounded, free);
    CHECK(t, aware < free + 0.5 * (rounded - free),
          "free %.3f, rounded %.3f, trained for it %.3f: less than half is won back", free, rounded,
          aware);
    compress_case_close(t, &k);
}

static void distillation(test *t) {
    compress_case k;
    char teacher[400], recipe[600];
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    snprintf(teacher, sizeof teacher, "%s/teacher", test_folder(t));
    CHECK_OK(t, k.cx, compress_case_run(&k, "finetune(80, " LEARNS ")", teacher, NULL));
    double known, before, taught, fresh;
    CHECK_OK(t, k.cx, compress_case_nats(&k, teacher, NULL, &known));
    CHECK_OK(t, k.cx, compress_case_nats(&k, k.model, NULL, &before));
    snprintf(recipe, sizeof recipe, "distill(\"%s\", 40, share=1, hidden=0.1, " LEARNS ")",
             teacher);
    CHECK_OK(t, k.cx, after(&k, recipe, &taught));
    CHECK(t, taught < before - 0.6 * (before - known),
          "the teacher has %.3f nats, the student had %.3f and has %.3f", known, before, taught);
    snprintf(recipe, sizeof recipe, "distill(\"%s\", 2, preset=1m, " LEARNS ")", teacher);
    CHECK_OK(t, k.cx, after(&k, recipe, &fresh));
    CHECK(t, fresh > 0 && fresh < 12, "a new student has %.3f nats", fresh);
    compress_case_close(t, &k);
}

/* A method from outside that prunes every other value. */
static status halve(compress *c, const void *options) {
    (void)options;
    for (int64_t i = 0; i < c->n_products; i++) {
        const product *p = &c->products[i];
        float *x = malloc((size_t)(p->n * p->k) * sizeof *x);
        TRY(product_values(c, p, x));
        for (int64_t j = 0; j < p->n * p->k; j += 2) x[j] = 0;
        status st = product_set_values(c, p, x);
        free(x);
        TRY(st);
    }
    return STATUS_OK;
}

static const compress_method method_halve = {
    .name = "halve", .help = "", .ensures = COMPRESS_SPARSE, .apply = halve};

static status zeros_of(compress_case *k, const char *name, double *share) {
    static float x[8192];
    char raw[8192];
    model *m;
    int64_t zeros = 0;
    TRY(model_open(k->cx, k->out, &m));
    const modelfile_tensor *w = modelfile_find(&m->file, name);
    status st = w ? STATUS_OK : STATUS_BAD_DATA;
    for (int64_t r = 0; st == STATUS_OK && r < w->shape[0]; r++) {
        st = modelfile_rows(&m->file, w, r, r + 1, raw);
        if (st == STATUS_OK) w->format->unpack(raw, 0, w->shape[1], x);
        for (int64_t j = 0; j < w->shape[1]; j++) zeros += x[j] == 0;
    }
    *share = w ? (double)zeros / (double)(w->shape[0] * w->shape[1]) : -1;
    model_close(m);
    return st;
}

static void zeros_stay(test *t) {
    static const char name[] = "model.layers.0.mlp.up_proj.weight";
    static const char *const recipes[] = {"halve > finetune(3, " LEARNS ")",
                                          "halve > distill(steps=3, " LEARNS ")",
                                          "halve > qat(8, group=32, steps=3, " LEARNS ")"};
    const compress_method *const more[] = {&method_halve, NULL};
    compress_case k;
    compress_result r;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    for (int64_t i = 0; i < COUNT_OF(recipes); i++) {
        compress_options o = compress_case_options(&k, recipes[i], NULL);
        o.methods = more;
        o.container = CONTAINER_VALUES;
        compress_case_remove(o.out);
        CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
        double zeros;
        CHECK_OK(t, k.cx, zeros_of(&k, name, &zeros));
        CHECK(t, zeros >= 0.5 && zeros < 0.6, "%s: %.3f zeros", recipes[i], zeros);
    }
    compress_case_close(t, &k);
}

static void refusals(test *t) {
    static const struct {
        const char *recipe, *words;
    } bad[] = {{"finetune(text=\"nowhere\")", "nowhere"},
               {"round(4, group=32) > finetune(3)", "codes already"},
               {"distill(\"nowhere\")", "nowhere"},
               {"distill(preset=17m)", "there is no preset '17m'"},
               {"qat(4, group=33)", "33"},
               {"finetune(0)", "steps"}};
    compress_case k;
    char few[400], recipe[600];
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    for (int64_t i = 0; i < COUNT_OF(bad); i++)
        compress_case_refused(t, &k, bad[i].recipe, NULL, bad[i].words);
    snprintf(few, sizeof few, "%s/few.txt", test_folder(t));
    CHECK_OK(t, k.cx, file_write_whole(k.cx, few, "too few", 7));
    snprintf(recipe, sizeof recipe, "finetune(3, text=\"%s\")", few);
    CHECK_FAILS(t, k.cx, compress_case_run(&k, recipe, NULL, NULL), STATUS_BAD_ARGUMENT,
                "give a longer one");
    compress_case_close(t, &k);
}

const test_case suite_compress_learn[] = {
    {"recovery", recovery},         {"aware_of_rounding", aware_of_rounding},
    {"distillation", distillation}, {"zeros_stay", zeros_stay},
    {"refusals", refusals},         {0}};
