/* Attention's matrix product in AVX-512: six rows by 64 columns in registers, one chain over the steps for
 * each element, whatever the number of rows. */
#ifndef KERN_KIT_ATTENTION_PRODUCT_H
#define KERN_KIT_ATTENTION_PRODUCT_H

#include "kern/kit/attention_simd.h"

ALWAYS_INLINE void attn_product_part(bool pairs, int rows, int vectors, bool add, const uint32_t *a,
                                     int64_t a_stride, const uint32_t *b, int64_t b_stride,
                                     float *c, int64_t c_stride, int64_t steps) {
    __m512 sum[6][4];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sum[r][v] = add ? _mm512_loadu_ps(c + r * c_stride + 16 * v) : _mm512_setzero_ps();
    for (int64_t t = 0; t < steps; t++) {
        __m512i right[4];
        for (int v = 0; v < vectors; v++) right[v] = _mm512_loadu_si512(b + t * b_stride + 16 * v);
        for (int r = 0; r < rows; r++) {
            __m512i left = _mm512_set1_epi32((int)a[r * a_stride + t]);
            for (int v = 0; v < vectors; v++)
                sum[r][v] = pairs ? _mm512_dpbf16_ps(sum[r][v], (__m512bh)left, (__m512bh)right[v])
                                  : _mm512_fmadd_ps(_mm512_castsi512_ps(left),
                                                    _mm512_castsi512_ps(right[v]), sum[r][v]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) _mm512_storeu_ps(c + r * c_stride + 16 * v, sum[r][v]);
}

#define ATTN_PART(R, V)                                                                            \
    case R * 8 + V:                                                                                \
        attn_product_part(pairs, R, V, add, a, a_stride, b, b_stride, c, c_stride, steps);         \
        break
#define ATTN_PARTS(R)                                                                              \
    ATTN_PART(R, 1);                                                                               \
    ATTN_PART(R, 2);                                                                               \
    ATTN_PART(R, 3);                                                                               \
    ATTN_PART(R, 4)

/* Rows in nearly equal parts of at most six. */
ALWAYS_INLINE void attn_product_rows(bool pairs, int64_t rows, int vectors, bool add,
                                     const uint32_t *a, int64_t a_stride, const uint32_t *b,
                                     int64_t b_stride, float *c, int64_t c_stride, int64_t steps) {
    for (int64_t parts = div_up(rows, 6); parts > 0; parts--) {
        int64_t n = div_up(rows, parts);
        switch (n * 8 + vectors) {
            ATTN_PARTS(1);
            ATTN_PARTS(2);
            ATTN_PARTS(3);
            ATTN_PARTS(4);
            ATTN_PARTS(5);
            ATTN_PARTS(6);
        }
        a += n * a_stride;
        c += n * c_stride;
        rows -= n;
    }
}

static inline void attn_product_pairs(int64_t rows, int vectors, bool add, const uint32_t *a,
                                      int64_t a_stride, const uint32_t *b, int64_t b_stride,
                                      float *c, int64_t c_stride, int64_t steps) {
    attn_product_rows(true, rows, vectors, add, a, a_stride, b, b_stride, c, c_stride, steps);
}

static inline void attn_product_floats(int64_t rows, int vectors, bool add, const uint32_t *a,
                                       int64_t a_stride, const uint32_t *b, int64_t b_stride,
                                       float *c, int64_t c_stride, int64_t steps) {
    attn_product_rows(false, rows, vectors, add, a, a_stride, b, b_stride, c, c_stride, steps);
}

#endif
