/* Products with 2:4 weights by byte shuffles of activations and vdpbf16ps (kern/kit/sparse24.h). */
#include "kern/kit/sparse24.h"
#include "ops/matmul.h"
#include <immintrin.h>
#include <string.h>

enum { FETCH_BYTES = 3 * 1024 };

/* For each mask of four the bytes of its two values; masks of other than two bits do not come. */
static const uint32_t choices[16] = {[3] = 0x03020100, [5] = 0x05040100,  [6] = 0x05040302,
                                     [9] = 0x07060100, [10] = 0x07060302, [12] = 0x07060504};

/* The sums are variables of their own: as an array they would pass through memory. */
#define COLUMN_OF(X, v) X(0, v) X(1, v) X(2, v) X(3, v) X(4, v) X(5, v)
#define EACH(X) COLUMN_OF(X, 0) COLUMN_OF(X, 1) COLUMN_OF(X, 2) COLUMN_OF(X, 3)
#define ZERO(r, v) __m512 c##r##v = _mm512_setzero_ps();
#define STORE(r, v)                                                                                \
    if (r < rows) _mm512_storeu_ps(c + SPARSE24_COLUMNS * r + 16 * v, c##r##v);
#define FOUR(r)                                                                                    \
    __m512i x##r = table;                                                                          \
    if (r < rows) {                                                                                \
        int64_t four;                                                                              \
        memcpy(&four, (r < 3 ? a + r * a_stride : a3 + (r - 3) * a_stride) + 8 * g, sizeof four);  \
        x##r = _mm512_set1_epi64(four);                                                            \
    }
#define DOT(r, v)                                                                                  \
    if (r < rows) {                                                                                \
        __m512i two = _mm512_shuffle_epi8(x##r, choice);                                           \
        c##r##v = _mm512_dpbf16_ps(c##r##v, (__m512bh)two, (__m512bh)pair);                        \
    }
/* A strip of less than four rows reads its panel alone, or last; after one of four another may follow. */
#define FETCH(at)                                                                                  \
    {                                                                                              \
        if (rows < 4)                                                                              \
            PREFETCH_ONCE((at) + FETCH_BYTES);                                                     \
        else if (rows == 4)                                                                        \
            PREFETCH((at) + FETCH_BYTES);                                                          \
    }
#define COLUMN(v)                                                                                  \
    {                                                                                              \
        __m512i masks = _mm512_loadu_si512(block + 64 * v);                                        \
        __m512i choice = _mm512_permutexvar_epi32(_mm512_srli_epi32(masks, 4 * g), table);         \
        __m512i pair = _mm512_loadu_si512(block + SPARSE24_MASK_BYTES * (1 + g) + 64 * v);         \
        COLUMN_OF(DOT, v)                                                                          \
        if (g == 0) FETCH(block + 64 * v)                                                          \
        FETCH(block + SPARSE24_MASK_BYTES * (1 + g) + 64 * v)                                      \
    }

ALWAYS_INLINE void tile(int rows, const char *a, int64_t a_stride, const char *block,
                        int64_t blocks, float *c) {
    const __m512i table = _mm512_loadu_si512(choices);
    const char *a3 = a + 3 * a_stride;
    EACH(ZERO)
    for (int64_t b = 0; b < blocks; b++, block += SPARSE24_BLOCK_BYTES) {
        UNROLLED
        for (unsigned g = 0; g < SPARSE24_GROUPS; g++) {
            FOUR(0)
            FOUR(1)
            FOUR(2)
            FOUR(3)
            FOUR(4)
            FOUR(5)
            COLUMN(0)
            COLUMN(1)
            COLUMN(2)
            COLUMN(3)
        }
        a += 2 * SPARSE24_K;
        a3 += 2 * SPARSE24_K;
    }
    EACH(STORE)
}

#define TILE(ROWS)                                                                                 \
    static void tile##ROWS(const char *a, int64_t a_stride, const char *panel, int64_t blocks,     \
                           float *c) {                                                             \
        tile(ROWS, a, a_stride, panel, blocks, c);                                                 \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
static const sparse24_family family = {{tile1, tile2, tile3, tile4, tile5, tile6}};

static bool supports(const kernel_query *q, reason *why) {
    return sparse24_supports(q, false, why);
}
static bool supports_rounded(const kernel_query *q, reason *why) {
    return sparse24_supports(q, true, why);
}
static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    sparse24_run(&family, c, from, to, scratch);
}

#define KERNEL(NAME, SUPPORTS, TOLERANCE)                                                          \
    {                                                                                              \
        .name = NAME, .op = &op_matmul, .isa = "avx512", .order = 0x51200012,                      \
        .supports = SUPPORTS, .wants = sparse24_wants, .scratch_bytes = sparse24_scratch,          \
        .shared_bytes = sparse24_shared, .prepare_units = sparse24_prepare_units,                  \
        .prepare = sparse24_prepare, .units = sparse24_units, .run = run, .tolerance = TOLERANCE,  \
    }
static const kernel_def kernel = KERNEL("avx512.matmul_2of4", supports, 4e-6);
static const kernel_def rounded = KERNEL("avx512.matmul_2of4_rounded", supports_rounded, 2.2e-3);

const kernel_def *const kernels_avx512_matmul_2of4[] = {&kernel, &rounded, NULL};
