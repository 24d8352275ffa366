/* What is foreseen of compressing against what it then takes: the same operations, the same bytes, and memory that
 * grows with what it grows with; for every method that a recipe can name. */
#include "compress/kit/foresee.h"
#include "kit/compress_case.h"
#include <math.h>
#include <string.h>

/* Every method, alone or behind others. */
static const char *const recipes[] = {
    "round(4, group=32)",
    "round(8, group=0, tensor)",
    "quantize(q4_0)",
    "quantize(q8_0, imatrix=no)",
    "gptq(4, group=32, act_order)",
    "awq(4, group=32)",
    "smoothquant",
    "outlier > round(8)",
    "prune(0.5, magnitude)",
    "prune(2:4, wanda) > gptq(4)",
    "prune(0.5, sparsegpt)",
    "remove(layers=1)",
    "remove(heads=0.5, neurons=0.5) > round(4, group=32)",
    "mixed(bpw=6, formats=\"q4_0,q8_0\")",
    "prune(0.5) > finetune(steps=2, batch=2, length=32)",
    "qat(4, group=32, steps=2, batch=2, length=32)",
    "remove(layers=1) > distill(steps=3, batch=2, length=32, hidden=1)",
};

static bool is_named(const char *method) {
    for (int64_t i = 0; i < COUNT_OF(recipes); i++)
        if (strstr(recipes[i], method)) return true;
    return false;
}

static status foresee_case(compress_case *k, arena *mem, const char *recipe, foresight *out) {
    foresee_options o = {.how = compress_case_options(k, recipe, NULL)};
    return foresee_run(mem, &o, out);
}

static double all_flops(const foresight *f) {
    double flops = 0;
    for (int64_t i = 0; i < f->count; i++)
        for (int j = 0; j < WORK_KINDS; j++) flops += f->step[i].flops[j];
    return flops;
}

/* Mixed chooses formats by what it measures, so its bytes are the budget's, from below; the windows that a teacher is
 * asked for are drawn, so that their number is a mean. */
static void comes_true(test *t) {
    compress_case k;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    for (int64_t i = 0; i < COUNT_OF(recipes); i++) {
        compress_result r;
        foresight f;
        bool mixes = strstr(recipes[i], "mixed"), asks = strstr(recipes[i], "distill");
        const char *out = mixes || strstr(recipes[i], "quantize") ? k.gguf : NULL;
        compress_case_remove(k.gguf);
        CHECK_OK(t, k.cx, compress_case_run(&k, recipes[i], out, &r));
        CHECK_OK(t, k.cx, foresee_case(&k, &k.memory, recipes[i], &f));
        const foreseen *last = &f.step[f.count - 1];
        double off = all_flops(&f) / fmax(r.flops, 1) - 1;
        CHECK(t, r.flops > 0 ? fabs(off) < (asks ? 0.1 : 1e-9) : !(all_flops(&f) > 0),
              "%s: foreseen %.6g FLOPs, counted %.6g", recipes[i], all_flops(&f), r.flops);
        CHECK(t, last->parameters == r.parameters, "%s: %lld parameters of %lld", recipes[i],
              (long long)last->parameters, (long long)r.parameters);
        double bytes = (double)last->bytes / (double)r.bytes - 1;
        CHECK(t, mixes ? fabs(bytes) < 0.1 : last->bytes == r.bytes, "%s: %lld bytes of %lld",
              recipes[i], (long long)last->bytes, (long long)r.bytes);
        CHECK(t, last->peak_bytes >= last->bytes / 2 && last->peak_bytes < r.peak_bytes,
              "%s: at most %lld of the process's %lld", recipes[i], (long long)last->peak_bytes,
              (long long)r.peak_bytes);
    }
    compress_case_close(t, &k);
}

static void covers(test *t) {
    for (int64_t i = 0; registry_compress[i]; i++)
        CHECK(t, is_named(registry_compress[i]->name), "no recipe here has '%s'",
              registry_compress[i]->name);
}

/* What has no files yet: the size of GPTQ's codes in groups of 128, and a text of any length; nothing is written. */
static const num_format *wide(void *user, const char *name, int32_t rank) {
    (void)user, (void)name;
    return num_find(rank > 1 ? "bf16" : "f32");
}

static void imagined(test *t) {
    context *cx = context_new();
    arena mem = arena_make(cx);
    model_config c;
    foresight a, b;
    CHECK_OK(t, cx, model_preset(cx, "llama-110m", &c));
    foresee_options o = {
        .how = {.recipe = "gptq(4)", .calib_sequences = 8, .calib_length = 256, .threads = 1},
        .config = &c,
        .format = wide};
    CHECK_OK(t, cx, foresee_run(&mem, &o, &a));
    o.how.calib_sequences = 16;
    CHECK_OK(t, cx, foresee_run(&mem, &o, &b));
    double layers = (double)(c.hidden * c.hidden * 4 + 3 * c.hidden * c.intermediate) * 12;
    double bytes = (double)a.before.bytes - layers * (2 - 0.5 - 4.0 / 128);
    CHECK(t, fabs((double)a.step[0].bytes / bytes - 1) < 1e-9, "%lld bytes, not %.0f",
          (long long)a.step[0].bytes, bytes);
    CHECK(t, fabs(b.step[0].flops[WORK_CALIBRATE] / a.step[0].flops[WORK_CALIBRATE] - 2) < 1e-9,
          "twice the text is twice the work");
    CHECK(t, fabs(b.step[0].flops[WORK_SOLVE] - a.step[0].flops[WORK_SOLVE]) < 1,
          "and the same solve");
    CHECK(t, b.step[0].peak_bytes > a.step[0].peak_bytes, "more rows take more memory");
    arena_free(&mem);
    context_free(cx);
}

const test_case suite_foresee[] = {
    {"comes_true", comes_true}, {"covers", covers}, {"imagined", imagined}, {0}};
