/* Methods that learn: recovery, distillation, training aware of rounding, each against what it must beat; zeros of a
 * pruned model stay; a repeated run has the same bits. */
#include "base/file.h"
#include "compress/kit/learn.h"
#include "kit/compress_case.h"
#include <math.h>
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
        weights_values(p->w, x);
        for (int64_t j = 0; j < p->n * p->k; j += 2) x[j] = 0;
        status st = weights_set_values(c, p->w, x);
        free(x);
        TRY(st);
    }
    return STATUS_OK;
}

static const compress_method method_halve = {
    .name = "halve", .help = "", .ensures = COMPRESS_SPARSE, .apply = halve};

static status zeros_of(compress_case *k, const char *folder, const char *name, double *share) {
    static float x[8192];
    char raw[8192];
    model *m;
    int64_t zeros = 0;
    TRY(model_open(k->cx, folder, &m));
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
        CHECK_OK(t, k.cx, zeros_of(&k, k.out, name, &zeros));
        CHECK(t, zeros >= 0.5 && zeros < 0.6, "%s: %.3f zeros", recipes[i], zeros);
    }
    compress_case_close(t, &k);
}

/* The largest difference of a tensor's values in two folders. */
static double apart(compress_case *k, const char *a, const char *b, const char *name) {
    static float x[8192], y[8192];
    char raw[32768];
    model *m = NULL, *n = NULL;
    double most = -1;
    bool open = model_open(k->cx, a, &m) == STATUS_OK && model_open(k->cx, b, &n) == STATUS_OK;
    const modelfile_tensor *s = open ? modelfile_find(&m->file, name) : NULL;
    const modelfile_tensor *u = open ? modelfile_find(&n->file, name) : NULL;
    int64_t rows = !s || !u ? 0 : s->n_dims > 1 ? s->shape[0] : 1;
    int64_t columns = rows ? s->shape[s->n_dims - 1] : 0;
    for (int64_t r = 0; r < rows; r++) {
        if (modelfile_rows(&m->file, s, r, r + 1, raw) != STATUS_OK) break;
        s->format->unpack(raw, 0, columns, x);
        if (modelfile_rows(&n->file, u, r, r + 1, raw) != STATUS_OK) break;
        u->format->unpack(raw, 0, columns, y);
        for (int64_t i = 0; i < columns; i++) most = fmax(most, fabs((double)x[i] - (double)y[i]));
    }
    model_close(m);
    model_close(n);
    return most;
}

/* Recovery behind codes moves what is no code, and that helps; a model that comes pruned keeps its zeros. */
static void codes_stay(test *t) {
    static const char matrix[] = "model.layers.0.mlp.up_proj.weight",
                      gain[] = "model.layers.0.input_layernorm.weight";
    static const char coded[] =
        "finetune(20, " LEARNS ") > prune(2:4, magnitude) > gptq(3, group=32)";
    compress_case k;
    char plain[400], recipe[400];
    double before, after_it, zeros;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    snprintf(plain, sizeof plain, "%s/plain", test_folder(t));
    CHECK_OK(t, k.cx, compress_case_run(&k, coded, plain, NULL));
    snprintf(recipe, sizeof recipe, "%s > finetune(20, " LEARNS ")", coded);
    CHECK_OK(t, k.cx, compress_case_run(&k, recipe, NULL, NULL));
    CHECK(t, apart(&k, plain, k.out, matrix) == 0, "codes have moved");
    CHECK(t, apart(&k, plain, k.out, gain) > 1e-3, "the norm has not");
    CHECK_OK(t, k.cx, compress_case_nats(&k, plain, NULL, &before));
    CHECK_OK(t, k.cx, compress_case_nats(&k, k.out, NULL, &after_it));
    CHECK(t, after_it < before - 0.05, "%.3f nats, %.3f before", after_it, before);
    /* In two runs, what is known of the zeros is what the file shows. */
    CHECK_OK(t, k.cx, compress_case_run(&k, "prune(2:4, magnitude)", k.out, NULL));
    snprintf(recipe, sizeof recipe, "%s.coded", k.out);
    compress_options o =
        compress_case_options(&k, "finetune(2, " LEARNS ") > gptq(4, group=32)", recipe);
    compress_result r;
    o.model = k.out;
    CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
    CHECK_OK(t, k.cx, zeros_of(&k, recipe, matrix, &zeros));
    CHECK(t, zeros >= 0.5 && zeros < 0.65, "%.3f zeros", zeros);
    /* Codes of several formats can go on in GGUF, but not in a folder. */
    compress_case_remove(k.gguf);
    CHECK_OK(t, k.cx, compress_case_run(&k, "quantize(q4_k_m)", k.gguf, NULL));
    snprintf(recipe, sizeof recipe, "%s.several", k.out);
    o = compress_case_options(&k, "finetune(2, " LEARNS ")", recipe);
    o.model = k.gguf;
    CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_UNSUPPORTED, "several formats");
    compress_case_close(t, &k);
}

static void refusals(test *t) {
    static const struct {
        const char *recipe, *words;
    } bad[] = {{"finetune(text=\"nowhere\")", "nowhere"},
               {"round(4, group=32) > qat(4, group=32)", "codes already"},
               {"round(4, group=32) > distill(preset=1m)", "a new student comes first"},
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

const test_case suite_compress_learn[] = {{"recovery", recovery},
                                          {"aware_of_rounding", aware_of_rounding},
                                          {"distillation", distillation},
                                          {"zeros_stay", zeros_stay},
                                          {"codes_stay", codes_stay},
                                          {"refusals", refusals},
                                          {0}};
