/* 2:4 weights from the recipe to the engine: bytes, values, groups; what is decided by measuring; what is refused. And
 * products in int8 on both sides. */
#include "compress/kit/compress.h"
#include "kit/compress_case.h"
#include <math.h>
#include <stdio.h>

/* Of a matrix of two models: the bytes it takes in the first, and how far its values lie from those of the second
 * rounded to bf16; -1: it is not in both. */
static double apart(context *cx, const char *sparse, const char *values, const char *name,
                    int64_t *bytes, int64_t *kept) {
    enum { MOST = 1024 };
    float x[MOST], y[MOST];
    uint16_t rounded[MOST];
    char raw[4 * MOST];
    model *a, *b;
    double most = -1;
    if (model_open(cx, sparse, &a) != STATUS_OK) return -1;
    if (model_open(cx, values, &b) != STATUS_OK) return -1;
    const modelfile_tensor *s = modelfile_find(&a->file, name), *u = modelfile_find(&b->file, name);
    const num_format *bf16 = num_find("bf16");
    *kept = 0;
    for (int64_t r = 0; s && u && s->shape[1] <= MOST && r < s->shape[0]; r++) {
        int64_t k = s->shape[1];
        if (modelfile_rows(&a->file, s, r, r + 1, raw) != STATUS_OK) break;
        s->format->unpack(raw, 0, k, x);
        if (modelfile_rows(&b->file, u, r, r + 1, raw) != STATUS_OK) break;
        u->format->unpack(raw, 0, k, y);
        bf16->pack(y, k, rounded);
        bf16->unpack(rounded, 0, k, y);
        for (int64_t j = 0; j < k; j++) most = fmax(most, fabs((double)x[j] - (double)y[j]));
        for (int64_t j = 0; j < k; j += 4) {
            int64_t n = 0;
            for (int64_t i = j; i < j + 4; i++) n += y[i] != 0;
            *kept = MAX_OF(*kept, n);
        }
    }
    *bytes = s ? s->size_bytes : 0;
    model_close(a);
    model_close(b);
    return most;
}

static const char up[] = "model.layers.1.mlp.up_proj.weight"; /* 256 x 128 */

static void stored(test *t) {
    compress_case k = {0};
    compress_result r;
    char values[320];
    int64_t bytes, kept;
    double sparse, dense, whole;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    snprintf(values, sizeof values, "%s.values", k.out);
    compress_options o = compress_case_options(&k, "prune(2:4, magnitude)", values);
    o.container = CONTAINER_VALUES;
    CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
    o.container = CONTAINER_SPARSE24;
    o.out = k.out;
    CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
    CHECK(t, strstr(r.note, "times as fast"), "'%s'", r.note);
    double far = apart(k.cx, k.out, values, up, &bytes, &kept);
    CHECK(t, far == 0 && kept == 2, "%g apart, %d of four", far, (int)kept);
    CHECK(t, bytes * 10000 == 256 * 128 * 2 * 5625LL, "%lld bytes", (long long)bytes);
    far = apart(k.cx, k.out, k.model, up, &bytes, &kept);
    CHECK(t, far > 0.01 && kept == 4, "the model before pruning is %g apart", far);
    CHECK_OK(t, k.cx, compress_case_nats(&k, k.out, NULL, &sparse));
    CHECK_OK(t, k.cx, compress_case_nats(&k, values, NULL, &dense));
    CHECK_OK(t, k.cx, compress_case_nats(&k, k.model, NULL, &whole));
    CHECK(t, fabs(sparse - dense) < 2e-3 * dense && fabs(sparse - whole) > 2 * fabs(sparse - dense),
          "%g nats sparse, %g dense, %g before", sparse, dense, whole);
    /* What is stored so can be made lighter still, and made again. */
    compress_options again = {.out = values, .threads = 2};
    compress_case_remove(values);
    CHECK_OK(t, k.cx, compress_rerun_read(&k.memory, k.out, &again));
    CHECK_OK(t, k.cx, compress_run(k.cx, &again, &r));
    far = apart(k.cx, k.out, values, up, &bytes, &kept);
    CHECK(t, far == 0 && again.container == CONTAINER_SPARSE24, "%g apart when made again", far);
    compress_case_remove(values);
    o = compress_case_options(&k, "round(4, group=32)", values);
    o.model = k.out;
    CHECK_OK(t, k.cx, compress_run(k.cx, &o, &r));
    compress_case_close(t, &k);
}

/* Without a word on the container, values that would be rounded stay. */
static void decided(test *t) {
    compress_case k = {0};
    compress_result r;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    CHECK_OK(t, k.cx, compress_case_run(&k, "prune(2:4, magnitude)", NULL, &r));
    CHECK(t, strstr(r.note, "stored densely: its values are not bf16"), "'%s'", r.note);
    CHECK_OK(t, k.cx, compress_case_run(&k, "prune(1:4, magnitude)", NULL, &r));
    CHECK(t, !*r.note, "'%s'", r.note);
    compress_case_close(t, &k);
}

static void refusals(test *t) {
    static const struct {
        const char *recipe, *words;
    } cases[] = {{"prune(0.5, magnitude)", "holds floats that prune(2:4) left"},
                 {"prune(2:4, magnitude) > round(4, group=32)", "the recipe makes int4_g32"}};
    compress_case k = {0};
    compress_result r;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        compress_options o = compress_case_options(&k, cases[i].recipe, k.out);
        o.container = CONTAINER_SPARSE24;
        CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_UNSUPPORTED, cases[i].words);
    }
    compress_options o = compress_case_options(&k, "prune(2:4, magnitude)", k.gguf);
    o.container = CONTAINER_SPARSE24;
    CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_UNSUPPORTED,
                "GGUF has no format for 2:4 weights");
    compress_case_close(t, &k);
}

/* A scale for each row moves outputs less than one for all. */
static void both_sides(test *t) {
    compress_case k = {0};
    double plain, row, tensor;
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    CHECK_OK(t, k.cx, compress_case_nats(&k, k.model, NULL, &plain));
    CHECK_OK(t, k.cx, compress_case_nats(&k, k.model, "int8_row", &row));
    CHECK_OK(t, k.cx, compress_case_nats(&k, k.model, "int8_tensor", &tensor));
    CHECK(t, row != plain && fabs(row - plain) < 0.01 * plain, "%g by rows, %g", row, plain);
    CHECK(t, tensor != row && fabs(tensor - plain) < 0.03 * plain, "%g by tensors, %g", tensor,
          plain);
    compress_case_close(t, &k);
}

extern const test_case suite_compress_sparse[];
const test_case suite_compress_sparse[] = {{"stored", stored},
                                           {"decided", decided},
                                           {"refusals", refusals},
                                           {"both_sides", both_sides},
                                           {0}};
