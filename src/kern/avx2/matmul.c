/* f32 by FMA, bf16 expanded to f32 in registers, the even of a pair before the odd. Sixteen registers hold 12
 * accumulators: a strip of up to 6 rows passes over a panel 16 columns at a time, fewer rows over 32 or all 64. Blocks
 * of K are short, so that what several passes and strips read of a panel stays in the first cache. */
#include "kern/kit/matmul.h"
#include <immintrin.h>
#include <string.h>

enum { STRIP = 6, UNROLL = 4, LANES = 8 };

ALWAYS_INLINE __m256 spread(const char *a) {
    float x; /* of bf16 it need not be aligned */
    memcpy(&x, a, sizeof x);
    return _mm256_set1_ps(x);
}

/* The even or the odd of pairs of bf16, as floats. */
ALWAYS_INLINE __m256 half_of(__m256 pairs, bool odd) {
    __m256i x = _mm256_castps_si256(pairs);
    x = odd ? _mm256_and_si256(x, _mm256_set1_epi32(-65536)) : _mm256_slli_epi32(x, 16);
    return _mm256_castsi256_ps(x);
}

ALWAYS_INLINE void group_of(matmul_kind kind, int rows, int width, __m256 acc[STRIP][8],
                            const char *a, int64_t stride, const char *b) {
    for (int odd = 0; odd < (kind == MATMUL_BF16 ? 2 : 1); odd++) {
        __m256 x[8];
        for (int v = 0; v < width; v++) {
            x[v] = _mm256_loadu_ps((const float *)(const void *)b + v * LANES);
            if (kind == MATMUL_BF16) x[v] = half_of(x[v], odd);
        }
        for (int r = 0; r < rows; r++) {
            __m256 y = spread(a + r * stride);
            if (kind == MATMUL_BF16) y = half_of(y, odd);
            for (int v = 0; v < width; v++) acc[r][v] = _mm256_fmadd_ps(y, x[v], acc[r][v]);
        }
    }
}

/* `width` registers of columns from `column` on. */
ALWAYS_INLINE void pass_of(matmul_kind kind, int rows, int width, const matmul_tile *t,
                           int64_t column) {
    __m256 acc[STRIP][8];
    float *c = t->c + column;
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < width; v++)
            acc[r][v] = t->first ? _mm256_setzero_ps() : _mm256_loadu_ps(c + r * PANEL + v * LANES);
    const char *a = t->a, *b = t->b + column * 4, *end = a + t->groups * 4;
    for (; a < end; a += UNROLL * 4, b += UNROLL * GROUP_BYTES)
        for (int g = 0; g < UNROLL; g++)
            group_of(kind, rows, width, acc, a + g * 4, t->a_stride, b + g * GROUP_BYTES);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < width; v++) _mm256_storeu_ps(c + r * PANEL + v * LANES, acc[r][v]);
}

/* Asks for this strip's share of what comes next of b. */
static void fetch(const matmul_tile *t) {
    for (int64_t at = 0; at < t->next_bytes; at += CACHE_LINE) PREFETCH(t->next + at);
}

#define ROW(kind, rows, width)                                                                     \
    case rows:                                                                                     \
        for (int64_t n = 0; n < t->vectors * 16; n += (width)*LANES)                               \
            pass_of(kind, rows, width, t, n);                                                      \
        break;
#define FAMILY(name, KIND)                                                                         \
    static void name##_tile(const matmul_tile *t, void *state) {                                   \
        (void)state;                                                                               \
        fetch(t);                                                                                  \
        switch (t->rows) {                                                                         \
            ROW(KIND, 1, 8)                                                                        \
            ROW(KIND, 2, 4) ROW(KIND, 3, 4) ROW(KIND, 4, 2) ROW(KIND, 5, 2) ROW(KIND, 6, 2)        \
        }                                                                                          \
    }                                                                                              \
    static const matmul_family name = {.kind = KIND,                                               \
                                       .strip = STRIP,                                             \
                                       .even = true,                                               \
                                       .block_rows = 516,                                          \
                                       .block_groups = 96,                                         \
                                       .near_groups = 96,                                          \
                                       .unit_groups = UNROLL,                                      \
                                       .max_chunk = 1,                                             \
                                       .tile = name##_tile};

FAMILY(avx2_f32, MATMUL_F32)
FAMILY(avx2_bf16, MATMUL_BF16)
MATMUL_KERNEL(avx2_f32, "avx2", 0x25600001, 1e-6);
MATMUL_KERNEL(avx2_bf16, "avx2", 0x25600002, 4e-3);

const kernel_def *const kernels_avx2_matmul[] = {&avx2_bf16_kernel, &avx2_f32_kernel, NULL};
