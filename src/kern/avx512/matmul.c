/* f32 by FMA, bf16 by vdpbf16ps, int8 by vpdpbusd (b is the unsigned operand): up to 6 rows x
 * 4 registers of 16 columns, 24 accumulators, four loads of b and six broadcasts of a for 24
 * multiply-adds. */
#include "kern/kit/matmul.h"
#include <immintrin.h>
#include <string.h>

/* A step is UNROLL groups, the lines of b in it MOST_LINES. */
enum { STRIP = 6, UNROLL = 4, MOST_LINES = UNROLL * GROUP_BYTES / CACHE_LINE };

ALWAYS_INLINE __m512 dot(matmul_kind kind, __m512 sum, __m512 a, __m512 b) {
    if (kind == MATMUL_F32) return _mm512_fmadd_ps(a, b, sum);
    if (kind == MATMUL_BF16) return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
    sum = (__m512)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)b, (__m512i)a);
    IN_REGISTER(sum);
    return sum;
}

/* The sums are variables of their own: as an array they would pass through memory at either end. */
#define ROW_OF(X, r) X(r, 0) X(r, 1) X(r, 2) X(r, 3)
#define EACH(X) ROW_OF(X, 0) ROW_OF(X, 1) ROW_OF(X, 2) ROW_OF(X, 3) ROW_OF(X, 4) ROW_OF(X, 5)
#define WHERE(r, v) if (r < rows && v < vectors)
#define ZERO(r, v) __m512 c##r##v = _mm512_setzero_ps();
#define LOAD(r, v) WHERE(r, v) c##r##v = _mm512_loadu_ps(t->c + r * PANEL + v * 16);
#define STORE(r, v) WHERE(r, v) _mm512_storeu_ps(t->c + r * PANEL + v * 16, c##r##v);
#define DOT(r, v) WHERE(r, v) c##r##v = dot(kind, c##r##v, y, x[v]);
#define GROUP_ROW(r)                                                                               \
    if (r < rows) {                                                                                \
        int32_t group; /* of bf16 or int8 it need not be aligned */                                \
        memcpy(&group, (r < 3 ? a + r * stride : a3 + (r - 3) * stride) + g * 4, sizeof group);    \
        __m512 y = (__m512)_mm512_set1_epi32(group);                                               \
        ROW_OF(DOT, r)                                                                             \
    }

/* Each step fetches `lines` of what comes next of b, and the next strip of a; a3 is three rows below a. */
ALWAYS_INLINE void tile_of(matmul_kind kind, int rows, int vectors, int lines,
                           const matmul_tile *t) {
    EACH(ZERO)
    if (!t->first) {
        EACH(LOAD)
    }
    const int64_t stride = t->a_stride, ahead = t->next_a - t->a;
    const char *b = t->b, *a = t->a, *a3 = a + 3 * stride, *next = t->next;
    int64_t line = t->line;
    for (const char *end = b + t->groups * GROUP_BYTES; b < end; b += UNROLL * GROUP_BYTES) {
        for (int g = 0; g < UNROLL; g++) {
            __m512 x[4];
            for (int v = 0; v < vectors; v++) x[v] = _mm512_loadu_ps(b + g * GROUP_BYTES + v * 64);
            GROUP_ROW(0)
            GROUP_ROW(1)
            GROUP_ROW(2)
            GROUP_ROW(3)
            GROUP_ROW(4)
            GROUP_ROW(5)
        }
        for (int r = 0; r < rows && lines == 1; r++)
            PREFETCH((r < 3 ? a + r * stride : a3 + (r - 3) * stride) + ahead);
        for (int i = 0; i < lines; i++) PREFETCH(next + i * CACHE_LINE);
        next += lines * CACHE_LINE;
        if (lines == 1 && ++line == t->lines) {
            next += t->jump;
            line = 0;
        }
        a += UNROLL * 4;
        a3 += UNROLL * 4;
    }
    EACH(STORE)
}

#define TILE(kind, rows, vectors)                                                                  \
    case (rows - 1) * 4 + vectors - 1:                                                             \
        tile_of(kind, rows, vectors, 1, t);                                                        \
        break;
#define ROW(kind, rows)                                                                            \
    TILE(kind, rows, 1) TILE(kind, rows, 2) TILE(kind, rows, 3) TILE(kind, rows, 4)
#define FETCH(kind, rows)                                                                          \
    case rows * 2:                                                                                 \
        tile_of(kind, rows, 4, MOST_LINES / 2, t);                                                 \
        return;                                                                                    \
    case rows * 2 + 1:                                                                             \
        tile_of(kind, rows, 4, MOST_LINES, t);                                                     \
        return;
/* Groups of a block: an eighth above a power of two, so that a K just above one is not cut in two. Groups for two
 * strips: 16 KiB of b, beside the next 16 KiB and a. */
enum { BLOCK_GROUPS = 1152, NEAR_GROUPS = 64 };
#define FAMILY(name, KIND)                                                                         \
    static void name##_tile(const matmul_tile *t, void *state) {                                   \
        (void)state;                                                                               \
        int64_t lines = t->next_bytes * MOST_LINES / (t->groups * GROUP_BYTES);                    \
        if (lines > 1 && t->vectors == 4) switch (t->rows * 2 + (lines == MOST_LINES)) {           \
                FETCH(KIND, 1)                                                                     \
                FETCH(KIND, 2) FETCH(KIND, 3) FETCH(KIND, 4) FETCH(KIND, 5) FETCH(KIND, 6)         \
            }                                                                                      \
        switch ((t->rows - 1) * 4 + t->vectors - 1) {                                              \
            ROW(KIND, 1) ROW(KIND, 2) ROW(KIND, 3) ROW(KIND, 4) ROW(KIND, 5) ROW(KIND, 6)          \
        }                                                                                          \
    }                                                                                              \
    static const matmul_family name = {.kind = KIND,                                               \
                                       .strip = STRIP,                                             \
                                       .even = true,                                               \
                                       .block_rows = 516,                                          \
                                       .block_groups = BLOCK_GROUPS,                               \
                                       .near_groups = NEAR_GROUPS,                                 \
                                       .unit_groups = UNROLL,                                      \
                                       .max_chunk = 1,                                             \
                                       .tile = name##_tile};

FAMILY(avx512_f32, MATMUL_F32)
FAMILY(avx512_bf16, MATMUL_BF16)
FAMILY(avx512_int8, MATMUL_INT8)
MATMUL_KERNEL(avx512_f32, "avx512", 0x51200001, 1e-6);
MATMUL_KERNEL(avx512_bf16, "avx512", 0x51200002, 4e-3);
MATMUL_KERNEL(avx512_int8, "avx512", MATMUL_INT8_ORDER, 1e-6);

const kernel_def *const kernels_avx512_matmul[] = {&avx512_bf16_kernel, &avx512_f32_kernel,
                                                   &avx512_int8_kernel, NULL};
