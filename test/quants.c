/* Quantised formats: unpacking and packing bit-equal to the goldens of tool/goldens/quants.py, any
 * part of a row, rows that are not whole blocks, values that are not finite, and how good the
 * packing is. */
#include "test.h"
#include "num/num.h"
#include "store/gguf.h"
#include "store/safetensors.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const names[] = {"q4_0", "q4_1", "q5_0", "q5_1",   "q8_0",   "q2_k",  "q3_k",
                                    "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs", "mxfp4", "nf4"};

static bool same(const float *a, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (isnan(a[i]) && isnan(b[i])) continue;
        if (memcmp(&a[i], &b[i], 4)) return false;
    }
    return true;
}

/* Where the committed goldens are: the tests run in the repository's root. */
static status open_golden(context *cx, safetensors *s) {
    return safetensors_open(cx, "test/golden/quants.safetensors", s);
}

static const safetensors_tensor *part(const safetensors *s, const char *format, const char *what) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s", format, what);
    return safetensors_find(s, name);
}

static void unpacks(test *t) {
    context *cx = context_new();
    safetensors s;
    CHECK_OK(t, cx, open_golden(cx, &s));
    for (int64_t k = 0; k < COUNT_OF(names); k++) {
        const num_format *f = num_find(names[k]);
        const safetensors_tensor *blocks = part(&s, names[k], "blocks"),
                                 *values = part(&s, names[k], "values");
        CHECK(t, f && blocks && values, "%s", names[k]);
        int64_t n = values->size_bytes / 4;
        CHECK(t, blocks->size_bytes == num_row_bytes(f, n), "%s", names[k]);
        float *out = malloc((size_t)n * 4);
        f->unpack(blocks->data, 0, n, out);
        for (int64_t i = 0; i < n; i++)
            CHECK(t, same(out + i, (const float *)values->data + i, 1),
                  "%s value %lld: %a, expected %a", names[k], (long long)i, (double)out[i],
                  (double)((const float *)values->data)[i]);
        /* Control: a changed byte changes a value. */
        char *changed = malloc((size_t)blocks->size_bytes);
        memcpy(changed, blocks->data, (size_t)blocks->size_bytes);
        for (int64_t i = 0; i < blocks->size_bytes; i++) changed[i] ^= 1;
        f->unpack(changed, 0, n, out);
        CHECK(t, !same(out, values->data, n), "%s", names[k]);
        free(changed);
        free(out);
    }
    safetensors_close(&s);
    context_free(cx);
}

static void packs(test *t) {
    context *cx = context_new();
    safetensors s;
    int checked = 0;
    CHECK_OK(t, cx, open_golden(cx, &s));
    for (int64_t k = 0; k < COUNT_OF(names); k++) {
        const num_format *f = num_find(names[k]);
        const safetensors_tensor *input = part(&s, names[k], "input"),
                                 *packed = part(&s, names[k], "packed");
        if (!input) continue;
        checked++;
        int64_t n = input->size_bytes / 4;
        unsigned char *out = malloc((size_t)packed->size_bytes);
        f->pack(input->data, n, out);
        for (int64_t i = 0; i < packed->size_bytes; i++)
            CHECK(t, out[i] == ((const unsigned char *)packed->data)[i],
                  "%s byte %lld of block %lld: %02x, expected %02x", names[k],
                  (long long)(i % f->block_bytes), (long long)(i / f->block_bytes), out[i],
                  ((const unsigned char *)packed->data)[i]);
        free(out);
    }
    CHECK(t, checked == 7, "%d", checked);
    safetensors_close(&s);
    context_free(cx);
}

enum { VALUES = 1024 };

static void fill(float *x, uint64_t seed) {
    for (int i = 0; i < VALUES; i++) { /* the sum of twelve uniform numbers is close to normal */
        double sum = -6;
        for (int k = 0; k < 12; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(seed >> 33) * 0x1p-31;
        }
        x[i] = (float)sum;
    }
}

static void parts_of_rows(test *t) {
    float x[VALUES], whole[VALUES], piece[VALUES];
    char row[VALUES * 2], other[VALUES * 2];
    fill(x, 5);
    for (int64_t k = 0; k < COUNT_OF(names); k++) {
        const num_format *f = num_find(names[k]);
        int64_t b = f->block_elems;
        f->pack(x, VALUES, row);
        f->unpack(row, 0, VALUES, whole);
        for (int64_t first = 0; first < VALUES; first += b) {
            int64_t count = MIN_OF(VALUES - first, 1 + first % (2 * b));
            memset(piece, 1, sizeof piece);
            f->unpack(row, first, count, piece);
            CHECK(t, same(piece, whole + first, count), "%s from %lld", names[k], (long long)first);
            uint32_t guard = 0x01010101;
            CHECK(t, count == VALUES || !memcmp(&piece[count], &guard, 4), "%s writes past its end",
                  names[k]);
        }
        int64_t odd = 2 * b + 7;
        float padded[VALUES] = {0};
        memcpy(padded, x, (size_t)odd * 4);
        memset(other, 0x55, sizeof other);
        f->pack(x, odd, other);
        CHECK(t, other[num_row_bytes(f, odd)] == 0x55, "%s writes past its end", names[k]);
        f->pack(padded, 3 * b, row);
        CHECK(t, !memcmp(row, other, (size_t)num_row_bytes(f, odd)), "%s fills up with zeros",
              names[k]);
    }
}

static void not_finite(test *t) {
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    float x[VALUES], out[VALUES];
    char row[VALUES * 2];
    for (int64_t k = 0; k < COUNT_OF(names); k++) {
        const num_format *f = num_find(names[k]);
        for (int c = 0; c < 3; c++) {
            fill(x, 7);
            x[3] = bad[c];
            f->pack(x, VALUES, row);
            f->unpack(row, 0, VALUES, out);
            for (int64_t i = 0; i < f->block_elems; i++)
                CHECK(t, !isfinite(out[i]), "%s hides %g", names[k], (double)bad[c]);
            for (int64_t i = f->block_elems; i < VALUES; i++)
                CHECK(t, isfinite(out[i]), "%s spoils other blocks", names[k]);
        }
        for (int i = 0; i < VALUES; i++) x[i] = i % 2 ? 0x1.fffffep127f : -0x1.fffffep127f;
        f->pack(x, VALUES, row); /* only the sanitizers judge */
        for (int i = 0; i < VALUES; i++) x[i] = i % 3 ? 0x1p-149f : -0x1p-140f;
        f->pack(x, VALUES, row);
        f->unpack(row, 0, VALUES, out);
        for (int i = 0; i < VALUES; i++)
            CHECK(t, fabsf(out[i]) < 0x1p-100f, "%s: tiny values", names[k]);
        memset(x, 0, sizeof x);
        f->pack(x, VALUES, row);
        f->unpack(row, 0, VALUES, out);
        for (int i = 0; i < VALUES; i++) CHECK(t, out[i] == 0, "%s: zeros", names[k]);
    }
}

/* Root mean square error on normal values, in thousandths of their deviation: no worse than what
 * the search reaches, and not so good that the measure must be wrong. */
static void quality(test *t) {
    static const int most[] = {86, 79, 43, 38, 6, 270, 145, 72, 36, 18, 75, 76, 115, 93};
    for (int64_t k = 0; k < COUNT_OF(names); k++) {
        const num_format *f = num_find(names[k]);
        double sum = 0;
        for (uint64_t seed = 1; seed <= 64; seed++) {
            float x[VALUES], out[VALUES];
            char row[VALUES * 2];
            fill(x, seed);
            f->pack(x, VALUES, row);
            f->unpack(row, 0, VALUES, out);
            for (int i = 0; i < VALUES; i++)
                sum += (double)(out[i] - x[i]) * (double)(out[i] - x[i]);
        }
        double rms = 1000 * sqrt(sum / (64 * VALUES));
        CHECK(t, rms <= most[k] && rms > 0.85 * most[k], "%s: %.1f, expected close below %d",
              names[k], rms, most[k]);
    }
}

/* A file written by the gguf package: every kind of value and a quantised tensor. */
static void gguf_golden(test *t) {
    context *cx = context_new();
    gguf g;
    int64_t n;
    const gguf_value *v;
    CHECK_OK(t, cx, gguf_open(cx, "test/golden/small.gguf", &g));
    static const struct {
        const char *key;
        int64_t value;
    } whole[] = {{"a.u8", 200},       {"a.i8", -100},        {"a.u16", 60000},
                 {"a.i16", -30000},   {"a.u32", 4000000000}, {"a.i32", -2000000000},
                 {"a.i64", INT64_MIN}};
    for (int64_t i = 0; i < COUNT_OF(whole); i++) {
        CHECK_OK(t, cx, gguf_integer(&g, whole[i].key, INT64_MIN, INT64_MAX, &n));
        CHECK(t, n == whole[i].value, "%s", whole[i].key);
    }
    CHECK(t, gguf_find(&g, "a.u64")->whole == UINT64_MAX && gguf_find(&g, "a.bool")->integer == 1,
          "wide");
    CHECK(t, gguf_find(&g, "a.f32")->number == 0.25 && gguf_find(&g, "a.f64")->number == 1e-300,
          "floats");
    CHECK_OK(t, cx, gguf_array(&g, "a.ints", GGUF_I32, &v));
    CHECK(t, v->count == 3 && gguf_item(v, 1).integer == -2, "ints");
    CHECK_OK(t, cx, gguf_array(&g, "a.bools", GGUF_BOOL, &v));
    CHECK(t, v->count == 2 && gguf_item(v, 0).integer == 1 && gguf_item(v, 1).integer == 0,
          "bools");
    CHECK_OK(t, cx, gguf_array(&g, "a.strings", GGUF_STRING, &v));
    CHECK(t, v->count == 3 && v->texts[2].length == 5 && !memcmp(v->texts[2].bytes, "three", 5),
          "strings");
    const gguf_tensor *f32 = gguf_find_tensor(&g, "f32"), *q = gguf_find_tensor(&g, "q8_0");
    CHECK(t, f32 && q && f32->shape[0] == 3 && f32->shape[1] == 2, "shapes");
    CHECK(t, ((const float *)f32->data)[5] == 5, "f32");
    float row[64];
    num_find(q->dtype->name)->unpack(q->data, 0, 64, row);
    CHECK(t, fabsf(row[0] + 1) < 0.01f && fabsf(row[63]) < 0.01f, "%g %g", (double)row[0],
          (double)row[63]);
    gguf_close(&g);
    context_free(cx);
}

const test_case suite_quants[] = {{"unpacks", unpacks},
                                  {"packs", packs},
                                  {"parts_of_rows", parts_of_rows},
                                  {"not_finite", not_finite},
                                  {"quality", quality},
                                  {"gguf_golden", gguf_golden},
                                  {0}};
