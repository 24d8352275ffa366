/* Models whose folders hold linear weights [inputs, outputs], as GPT-2's do: what methods make of them is what they
 * make of the same model in GGUF, which holds them [outputs, inputs]; codes are stored along the inputs, floats as
 * the folder has them, and the engine reads both. */
#include "base/file.h"
#include "cmd/kit/convert.h"
#include "kit/compress_case.h"
#include "model/kit/model.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char square[] = "transformer.h.1.attn.c_proj.weight"; /* which no shape gives away */

/* Tensors of two files that differ; -1: other names, formats or shapes. */
static int64_t different(context *cx, const char *one, const char *two) {
    model *a, *b;
    if (model_open(cx, one, &a) != STATUS_OK) return -1;
    if (model_open(cx, two, &b) != STATUS_OK) return -1;
    int64_t n = a->file.n_tensors == b->file.n_tensors ? 0 : -1;
    for (int64_t i = 0; i < a->file.n_tensors && n >= 0; i++) {
        const modelfile_tensor *x = &a->file.tensors[i], *y = modelfile_find(&b->file, x->name);
        if (!y || x->format != y->format || memcmp(x->shape, y->shape, sizeof x->shape))
            n = -1;
        else
            n += memcmp(x->data, y->data, (size_t)x->size_bytes) != 0;
    }
    model_close(a);
    model_close(b);
    return n;
}

static void same_either_way(test *t) {
    static const char *const recipes[] = {"round(4, group=32)",
                                          "gptq(4, group=32, act_order)",
                                          "smoothquant > awq(4, group=32)",
                                          "prune(2:4, sparsegpt) > quantize(q5_0)",
                                          "mixed(7, formats=\"q4_0,q8_0\")",
                                          "prune(0.5, wanda, per=matrix)",
                                          "qat(4, group=32, steps=2, batch=2, length=16)",
                                          "remove(neurons=0.5)"};
    compress_case k = {0};
    char twin[320], out[320];
    CHECK_OK(t, k.cx, compress_case_open_as(t, "gpt2", &k));
    snprintf(twin, sizeof twin, "%s.gguf", k.model);
    snprintf(out, sizeof out, "%s-2.gguf", k.out);
    compress_case_remove(twin);
    CHECK_OK(t, k.cx, convert(k.cx, &k.memory, &(conversion){.in = k.model, .out = twin}));
    for (int64_t i = 0; i < COUNT_OF(recipes); i++) {
        compress_result r;
        compress_options o = compress_case_options(&k, recipes[i], k.gguf);
        o.calib_sequences = 4;
        compress_case_remove(o.out);
        CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
        o.model = twin;
        o.out = out;
        compress_case_remove(o.out);
        CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
        int64_t n = different(k.cx, k.gguf, out);
        CHECK(t, n == 0, "%s: %d tensors differ", recipes[i], (int)n);
    }
    CHECK(t, different(k.cx, k.gguf, twin) != 0, "the control: nothing was done");
    compress_case_close(t, &k);
}

/* The values of a weight of 128 x 128 as the file holds it; `is`: its shape is so. */
static bool values_of(context *cx, const char *path, const char *name, float *out) {
    model *m;
    char raw[1024];
    if (model_open(cx, path, &m) != STATUS_OK) return false;
    const modelfile_tensor *w = modelfile_find(&m->file, name);
    bool fine = w && w->shape[0] == 128 && w->shape[1] == 128;
    for (int64_t r = 0; fine && r < 128; r++) {
        fine = modelfile_rows(&m->file, w, r, r + 1, raw) == STATUS_OK;
        if (fine) w->format->unpack(raw, 0, 128, out + r * 128);
    }
    model_close(m);
    return fine;
}

/* Codes lie along the inputs, floats as before; the engine makes the same of both. */
static void containers(test *t) {
    static float codes[128 * 128], floats[128 * 128], before[128 * 128];
    compress_case k = {0};
    char values[320], recipe[] = "round(4, group=32)";
    double coded, plain, whole;
    compress_result r;
    CHECK_OK(t, k.cx, compress_case_open_as(t, "gpt2", &k));
    snprintf(values, sizeof values, "%s.values", k.out);
    compress_options o = compress_case_options(&k, recipe, values);
    o.container = CONTAINER_VALUES;
    compress_case_remove(values);
    CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
    CHECK(t, values_of(k.cx, values, square, floats));
    CHECK(t, values_of(k.cx, k.model, square, before));
    CHECK_OK(t, k.cx, compress_case_nats(&k, values, NULL, &plain));
    CHECK_OK(t, k.cx, compress_case_nats(&k, k.model, NULL, &whole));
    CHECK_OK(t, k.cx, compress_case_run(&k, recipe, k.out, &r));
    CHECK(t, values_of(k.cx, k.out, square, codes));
    int64_t wrong = 0;
    double moved = 0;
    for (int j = 0; j < 128 * 128; j++) {
        wrong += codes[j % 128 * 128 + j / 128] != floats[j];
        moved = fmax(moved, fabs((double)(floats[j] - before[j])));
    }
    CHECK(t, wrong == 0 && moved > 1e-3 && moved < 0.1, "%d, %g", (int)wrong, moved);
    CHECK_OK(t, k.cx, compress_case_nats(&k, k.out, NULL, &coded));
    CHECK(t, fabs(coded - plain) < 0.1 * fabs(plain - whole), "%g, %g of %g", coded, plain, whole);
    /* Which readers look for linear layers alone. */
    compress_case_remove(k.out);
    o = compress_case_options(&k, recipe, k.out);
    o.container = CONTAINER_COMPRESSED;
    CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_UNSUPPORTED, "leave out the layers");
    CHECK(t, !file_exists(k.out));
    /* As a folder again, from blocks in GGUF. */
    CHECK_OK(t, k.cx, compress_case_run(&k, recipe, k.gguf, &r));
    compress_case_remove(k.out);
    CHECK_OK(t, k.cx,
             convert(k.cx, &k.memory, &(conversion){.in = k.gguf, .out = k.out, .format = "f32"}));
    CHECK(t, values_of(k.cx, k.out, square, codes));
    CHECK(t, memcmp(codes, floats, sizeof codes) == 0, "a folder from GGUF");
    compress_case_close(t, &k);
}

extern const test_case suite_compress_turned[];
const test_case suite_compress_turned[] = {
    {"same_either_way", same_either_way}, {"containers", containers}, {0}};
