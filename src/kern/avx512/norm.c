/* Norms of rows. A row's sums run over 64 lanes, joined by one tree, so that they depend on its length alone. */
#include "kern/kit/rows_avx512.h"
#include "ops/norm.h"
#include <math.h>

ALWAYS_INLINE float row_sum(vec_format f, const void *x, int64_t at, int64_t n, float mean,
                            bool square) {
    __m512 sum[4];
    const __m512 middle = vec_set(mean);
    for (int k = 0; k < 4; k++) sum[k] = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (int k = 0; k < 4; k++) {
            __m512 v = _mm512_sub_ps(vec_load(f, x, at + i + 16 * k), middle);
            sum[k] = square ? _mm512_fmadd_ps(v, v, sum[k]) : _mm512_add_ps(sum[k], v);
        }
    for (int k = 0; i < n; i += 16, k++) {
        __mmask16 keep = vec_mask(n - i);
        __m512 v = _mm512_maskz_sub_ps(keep, vec_load_some(f, x, at + i, keep), middle);
        sum[k] = square ? _mm512_fmadd_ps(v, v, sum[k]) : _mm512_add_ps(sum[k], v);
    }
    return vec_sum(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

/* y = (x - mean) * factor * w + b */
ALWAYS_INLINE void row_write(vec_format fx, vec_format fy, const void *x, void *y, int64_t at,
                             int64_t n, float mean, float factor, const tensor *w,
                             const tensor *b) {
    const __m512 middle = vec_set(mean), times = vec_set(factor);
    vec_format fw = w->data ? vec_format_of(w->format) : VEC_F32;
    vec_format fb = b ? vec_format_of(b->format) : VEC_F32;
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 keep = vec_mask(n - i);
        __m512 v = _mm512_sub_ps(vec_load_some(fx, x, at + i, keep), middle);
        v = _mm512_mul_ps(v, times);
        if (w->data) v = _mm512_mul_ps(v, vec_load_some(fw, w->data, i, keep));
        if (b) v = _mm512_add_ps(v, vec_load_some(fb, b->data, i, keep));
        vec_store_some(fy, y, at + i, keep, v);
    }
}

ALWAYS_INLINE void run_rows(vec_format fx, vec_format fy, const call *c, int64_t from, int64_t to,
                            bool layer) {
    const norm_params *p = c->params;
    const void *x = c->in[NORM_X].data;
    const tensor *b = layer && c->in[NORM_B].data ? &c->in[NORM_B] : NULL;
    int64_t n = rows_columns(&c->out[0]);
    rows_range(&c->out[0], &from, &to);
    for (int64_t r = from; r < to; r++) {
        float mean = layer ? row_sum(fx, x, r * n, n, 0, false) / (float)n : 0;
        float square = row_sum(fx, x, r * n, n, mean, true) / (float)n;
        float factor = (float)(1 / sqrt((double)square + p->eps));
        row_write(fx, fy, x, c->out[0].data, r * n, n, mean, factor, &c->in[NORM_W], b);
    }
}

ALWAYS_INLINE void run_formats(const call *c, int64_t from, int64_t to, bool layer) {
    vec_format fx = vec_format_of(c->in[NORM_X].format), fy = vec_format_of(c->out[0].format);
    if (fx == VEC_F32 && fy == VEC_F32)
        run_rows(VEC_F32, VEC_F32, c, from, to, layer);
    else if (fx == VEC_F32 && fy == VEC_BF16)
        run_rows(VEC_F32, VEC_BF16, c, from, to, layer);
    else if (fx == VEC_BF16 && fy == VEC_BF16)
        run_rows(VEC_BF16, VEC_BF16, c, from, to, layer);
    else
        run_rows(fx, fy, c, from, to, layer);
}

#define NORM(id, layer)                                                                            \
    static void run_##id(const call *c, int64_t from, int64_t to, void *scratch) {                 \
        (void)scratch;                                                                             \
        run_formats(c, from, to, layer);                                                           \
    }                                                                                              \
    static const kernel_def kernel_##id = {.name = "avx512." #id,                                  \
                                           .op = &op_##id,                                         \
                                           .isa = "avx512",                                        \
                                           .order = 1,                                             \
                                           .supports = flat_supports,                              \
                                           .units = rows_units,                                    \
                                           .run = run_##id,                                        \
                                           .tolerance = 0x1p-18}

NORM(rms_norm, false);
NORM(layer_norm, true);

const kernel_def *const kernels_avx512_norm[] = {&kernel_rms_norm, &kernel_layer_norm, NULL};
