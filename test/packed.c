/* Integer formats, and layers as GPTQ, AWQ and compressed-tensors store them, against tool/goldens/packed.py;
 * recipes that must be refused. */
#include "test.h"
#include "num/kit/ints.h"
#include "store/packed.h"
#include <stdio.h>
#include <stdlib.h>

static status read_recipe(context *cx, const char *text, packed_recipe *out) {
    json j = json_make(cx, "config", text, (int64_t)strlen(text), NULL);
    status st = packed_recipe_read(&j, out);
    json_free(&j);
    return st;
}

#define CT(bits, symmetric, more)                                                                  \
    "{\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\", \"ignore\": "      \
    "[\"lm_head\"], \"kv_cache_scheme\": null, \"sparsity_config\": {}, \"config_groups\": "       \
    "{\"group_0\": {\"input_activations\": null, \"targets\": [\"Linear\"], \"weights\": "         \
    "{\"num_bits\": " bits ", \"symmetric\": " symmetric                                           \
    ", \"type\": \"int\", \"dynamic\": false, \"observer\": \"minmax\"" more "}}}}"
#define GPTQ(bits, more) "{\"quant_method\": \"gptq\", \"bits\": " bits more "}"

static const struct {
    const char *file, *recipe, *format;
} cases[] = {
    {"gptq2", GPTQ("2", ", \"group_size\": 32, \"desc_act\": false"), "uint2_g32"},
    {"gptq3", GPTQ("3", ", \"group_size\": 32"), "uint3_g32"},
    {"gptq4", GPTQ("4", ", \"group_size\": 32, \"checkpoint_format\": \"gptq\""), "uint4_g32"},
    {"gptq8", GPTQ("8", ", \"group_size\": 32, \"damp_percent\": 0.1"), "uint8_g32"},
    {"gptq4_act", GPTQ("4", ", \"group_size\": 32, \"desc_act\": true"), "f32"},
    {"gptq4_v2",
     GPTQ("4", ", \"group_size\": 32, \"sym\": true, \"checkpoint_format\": \"gptq_v2\""),
     "int4_g32"},
    {"gptq4_row", GPTQ("4", ", \"group_size\": -1, \"is_marlin_format\": false"), "uint4_row"},
    {"awq",
     "{\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": 32, \"zero_point\": true, "
     "\"version\": \"GEMM\", \"modules_to_not_convert\": null}",
     "uint4_g32"},
    {"ct4", CT("4", "true", ", \"group_size\": 32, \"strategy\": \"group\""), "int4_g32"},
    {"ct4_zero", CT("4", "false", ", \"group_size\": 32, \"strategy\": \"group\""), "uint4_g32"},
    {"sparse24",
     "{\"quant_method\": \"compressed-tensors\", \"format\": \"dense\", \"config_groups\": {}, "
     "\"sparsity_config\": {\"format\": \"sparse-24-bitmask\", \"targets\": [\"Linear\"]}}",
     "bf16_2of4"},
    {"ct8_channel", CT("8", "true", ", \"strategy\": \"channel\""), "uint8_row"},
};

static status open_joined(context *cx, int64_t i, modelfile *m) {
    char path[300];
    packed_recipe recipe;
    *m = (modelfile){0};
    TRY(read_recipe(cx, cases[i].recipe, &recipe));
    snprintf(path, sizeof path, "test/golden/packed/%s.safetensors", cases[i].file);
    TRY(modelfile_open(cx, path, m));
    return packed_join(m, &recipe);
}

static void folders(test *t) {
    context *cx = context_new();
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        modelfile m;
        CHECK_OK(t, cx, open_joined(cx, i, &m));
        const modelfile_tensor *w = modelfile_find(&m, "l.weight"),
                               *e = modelfile_find(&m, "expected");
        CHECK(t, m.n_tensors == 2 && w && e, "%s: %lld tensors", cases[i].file,
              (long long)m.n_tensors);
        CHECK(t, !strcmp(w->format_name, cases[i].format), "%s: %s", cases[i].file, w->format_name);
        CHECK(t, w->shape[0] == e->shape[0] && w->shape[1] == e->shape[1], "%s", cases[i].file);
        int64_t n = w->shape[0], k = w->shape[1], row = num_row_bytes(w->format, k);
        char *rows = malloc((size_t)w->size_bytes);
        float *x = malloc((size_t)k * 4);
        CHECK_OK(t, cx, modelfile_rows(&m, w, 0, 5, rows));
        CHECK_OK(t, cx, modelfile_rows(&m, w, 5, n, rows + 5 * row));
        bool changed = false;
        for (int64_t r = 0; r < n; r++) {
            const char *want = (const char *)e->data + r * k * 4;
            w->format->unpack(rows + r * row, 0, k, x);
            CHECK(t, !memcmp(x, want, (size_t)k * 4), "%s row %lld", cases[i].file, (long long)r);
            changed |= memcmp(x, (const char *)e->data + (r + 1) % n * k * 4, (size_t)k * 4) != 0;
        }
        CHECK(t, changed, "all rows are alike");
        free(x);
        free(rows);
        modelfile_close(&m);
    }
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

static void refusals(test *t) {
    static const struct {
        const char *recipe, *words;
        status code;
    } bad[] = {
        {"{\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": true}",
         "quant_method 'bitsandbytes' is not supported", STATUS_UNSUPPORTED},
        {GPTQ("5", ", \"group_size\": 32"), "gptq with 5 bits is not supported",
         STATUS_UNSUPPORTED},
        {GPTQ("4", ""), "the group size is missing", STATUS_BAD_DATA},
        {GPTQ("4", ", \"group_size\": 48"), "groups of 48", STATUS_UNSUPPORTED},
        {GPTQ("4", ", \"group_size\": 32, \"is_marlin_format\": true"), "marlin",
         STATUS_UNSUPPORTED},
        {GPTQ("4", ", \"group_size\": 32, \"checkpoint_format\": \"bitblas\""),
         "format 'bitblas' is not supported", STATUS_UNSUPPORTED},
        {GPTQ("4", ", \"group_size\": 32, \"dynamic\": {\"a\": 1}"),
         "the key 'dynamic' is not known", STATUS_UNSUPPORTED},
        {"{\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": 32, \"version\": \"gemv\"}",
         "in the form 'gemv'", STATUS_UNSUPPORTED},
        {CT("4", "true", ", \"strategy\": \"tensor\""), "strategy 'tensor'", STATUS_UNSUPPORTED},
        {"{\"quant_method\": \"compressed-tensors\", \"format\": \"float-quantized\"}",
         "format 'float-quantized' is not supported", STATUS_UNSUPPORTED},
        {"{\"bits\": 4}", "'quant_method' is missing", STATUS_UNSUPPORTED},
    };
    context *cx = context_new();
    packed_recipe r;
    for (int64_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_FAILS(t, cx, read_recipe(cx, bad[i].recipe, &r), bad[i].code, bad[i].words);
    modelfile m;
    CHECK_OK(t, cx, modelfile_open(cx, "test/golden/packed/gptq4.safetensors", &m));
    CHECK_OK(t, cx, read_recipe(cx, GPTQ("8", ", \"group_size\": 32"), &r));
    CHECK_FAILS(t, cx, packed_join(&m, &r), STATUS_BAD_DATA,
                "layer 'l': 'l.scales' must be floats");
    modelfile_close(&m);
    CHECK_OK(t, cx, modelfile_open(cx, "test/golden/packed/ct4.safetensors", &m));
    CHECK_FAILS(t, cx, packed_join(&m, &r), STATUS_BAD_DATA, "no layer is");
    modelfile_close(&m);
    context_free(cx);
}

static void ints(test *t) {
    context *cx = context_new();
    safetensors s;
    CHECK_OK(t, cx, safetensors_open(cx, "test/golden/packed/ints.safetensors", &s));
    int done = 0;
    for (int64_t i = 0; i < s.n_tensors; i++) {
        char name[64], *dot;
        snprintf(name, sizeof name, "%s", s.tensors[i].name);
        dot = strchr(name, '.');
        if (strcmp(dot, ".blocks") != 0) continue;
        *dot = 0;
        const num_format *f = num_find(name);
        CHECK(t, f, "%s", name);
        memcpy(dot, ".values", 8);
        const safetensors_tensor *values = safetensors_find(&s, name), *blocks = &s.tensors[i];
        memcpy(dot, ".input", 7);
        const safetensors_tensor *input = safetensors_find(&s, name);
        memcpy(dot, ".packed", 8);
        const safetensors_tensor *packed = safetensors_find(&s, name);
        int64_t n = values->size_bytes / 4;
        float x[512];
        char row[2100];
        CHECK(t, num_row_bytes(f, n) == blocks->size_bytes && n <= 512, "%s", f->name);
        f->unpack(blocks->data, 0, n, x);
        CHECK(t, !memcmp(x, values->data, (size_t)n * 4), "%s unpacks", f->name);
        f->pack(input->data, n, row);
        CHECK(t, !memcmp(row, packed->data, (size_t)packed->size_bytes), "%s packs", f->name);
        for (int64_t k = 0; k < n; k++) x[k] = ((const float *)input->data)[k] * 1.3f + 0.1f;
        f->pack(x, n, row);
        CHECK(t, memcmp(row, packed->data, (size_t)packed->size_bytes),
              "%s: other values pack alike", f->name);
        done++;
    }
    CHECK(t, done == 12, "%d", done);
    safetensors_close(&s);
    context_free(cx);
}

const test_case suite_packed[] = {
    {"folders", folders}, {"refusals", refusals}, {"ints", ints}, {0}};
