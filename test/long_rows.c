/* Softmax and cross-entropy of rows longer than the stretches in which kernels take them, against sums in double: rows
 * whose largest comes late, rises from stretch to stretch, or is behind nothing but -inf; numbers so large that scaling
 * them overflows; rows of one. */
#include "test.h"
#include "base/cpu.h"
#include "dev/kernel.h"
#include "num/kit/half.h"
#include "ops/cross_entropy.h"
#include "ops/softmax.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { LONG = 70001, SHAPES = 11 };

/* Number i of row `shape` of n, where x is drawn from -4 .. 4. */
static float shaped(int shape, int64_t i, int64_t n, float x) {
    switch (shape) {
    case 0:
        return x;
    case 1:
        return i == n - 3 ? 300 : x;
    case 2:
        return x + 12 * (float)(i / 9000);
    case 3:
        return x - 12 * (float)(i / 9000);
    case 4:
        return i < n / 2 ? -INFINITY : x - 400;
    case 5:
        return -FLT_MAX;
    case 6:
        return i % 3 ? -FLT_MAX : x;
    case 7:
        return x + 9000;
    case 8:
        return i % 5 ? -INFINITY : x - 150;
    case 9:
        return i == 40000 % n ? 60 : 40;
    default:
        return -INFINITY;
    }
}

typedef struct row {
    int64_t n;
    double lse;
    double *x; /* as the format holds them */
    void *data;
} row;

static void fill(row *r, const num_format *f, int shape) {
    sample s = {.state = (uint64_t)shape + 3};
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < r->n; i++) {
        float x = shaped(shape, i, r->n, (float)sample_real(&s, -4, 4));
        if (f->block_bytes == 4)
            ((float *)r->data)[i] = x;
        else
            ((uint16_t *)r->data)[i] = half_to_bf16(x), x = half_from_bf16(half_to_bf16(x));
        r->x[i] = (double)x;
        top = fmax(top, r->x[i]);
    }
    for (int64_t i = 0; i < r->n; i++) sum += isfinite(top) ? exp(r->x[i] - top) : 0;
    r->lse = top + log(sum);
}

static float lse_of(const kernel_def *k, const num_format *f, const row *r) {
    const cross_entropy_params p = {0};
    int32_t target = 0;
    float lse = NAN;
    call c = {.params = &p, .n_in = 3, .n_out = 2};
    c.in[CROSS_ENTROPY_LOGITS] =
        (tensor){.data = r->data, .format = f, .rank = 2, .dim = {1, r->n}};
    c.in[CROSS_ENTROPY_TARGETS] =
        (tensor){.data = &target, .format = num_find("i32"), .rank = 1, .dim = {1}};
    c.out[0] = c.out[1] = (tensor){.format = num_find("f32"), .rank = 1, .dim = {1}};
    c.out[1].data = &lse;
    k->run(&c, 0, k->units(&c), NULL);
    return lse;
}

/* Whether it is what the sum says within a few units of the last place of what went in, exactly in a row of one. */
static bool is_near(float lse, const row *r) {
    if (!isfinite(r->lse)) return (double)lse == r->lse;
    double allowed = r->n == 1 ? 0 : 0x1p-22 * fabs(r->lse) + 0x1p-17;
    return fabs((double)lse - r->lse) <= allowed;
}

static void cross_entropy(test *t) {
    static const char *const formats[] = {"f32", "bf16"};
    row r = {.x = calloc(LONG, sizeof *r.x), .data = calloc(LONG, sizeof(float))};
    for (int32_t i = 0; registry_kernel[i]; i++)
        for (const kernel_def *const *k = registry_kernel[i]; *k; k++) {
            if ((*k)->op != &op_cross_entropy || !cpu_isa_allowed((*k)->isa)) continue;
            for (int shape = 0; shape < SHAPES; shape++)
                for (int f = 0; f < 2; f++)
                    for (int one = 0; one < 2; one++) {
                        r.n = one ? 1 : LONG;
                        fill(&r, num_find(formats[f]), shape);
                        float lse = lse_of(*k, num_find(formats[f]), &r);
                        CHECK(t, is_near(lse, &r), "%s, %s, shape %d of %d: %.9g for %.9g",
                              (*k)->name, formats[f], shape, (int)r.n, (double)lse, r.lse);
                        CHECK(t, !isfinite(r.lse) || !is_near(lse * (1 + 0x1p-12f) + 0x1p-12f, &r));
                    }
        }
    free(r.x), free(r.data);
}

static void softmax(test *t) {
    const num_format *f32 = num_find("f32");
    row r = {.n = LONG, .x = calloc(LONG, sizeof *r.x), .data = calloc(LONG, sizeof(float))};
    float *y = calloc(LONG, sizeof *y);
    for (int32_t i = 0; registry_kernel[i]; i++)
        for (const kernel_def *const *k = registry_kernel[i]; *k; k++) {
            if ((*k)->op != &op_softmax || !cpu_isa_allowed((*k)->isa)) continue;
            for (int shape = 0; shape < SHAPES - 1; shape++) {
                fill(&r, f32, shape);
                call c = {.n_in = 1, .n_out = 1};
                c.in[0] = c.out[0] =
                    (tensor){.data = r.data, .format = f32, .rank = 2, .dim = {1, r.n}};
                c.out[0].data = y;
                (*k)->run(&c, 0, (*k)->units(&c), NULL);
                /* -FLT_MAX cannot be told from lse, and additions of equal numbers round alike */
                double off = 0, top = 0, allowed = shape == 5 ? 0x1p-15 : 0x1p-18;
                for (int64_t x = 0; x < r.n; x++) {
                    double p = shape == 5 ? 1. / LONG : exp(r.x[x] - r.lse);
                    off = fmax(off, fabs((double)y[x] - p));
                    top = fmax(top, p);
                }
                CHECK(t, off <= allowed * top, "%s, shape %d: off by %g of %g", (*k)->name, shape,
                      off, top);
            }
        }
    free(r.x), free(r.data), free(y);
}

const test_case suite_long_rows[] = {{"cross_entropy", cross_entropy}, {"softmax", softmax}, {0}};
