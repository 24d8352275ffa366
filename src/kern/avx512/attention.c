/* Attention in AVX-512, in two forms: bf16 queries and keys by pairs (vdpbf16ps), anything else by float
 * FMA. Which one is a matter of the formats alone. */
#include "kern/kit/attention_forward.h"

ALWAYS_INLINE void product_part(bool pairs, int rows, int vectors, bool add, const uint32_t *a,
                                int64_t a_stride, const uint32_t *b, int64_t b_stride, float *c,
                                int64_t c_stride, int64_t steps) {
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

#define PART(R, V)                                                                                 \
    case R * 8 + V:                                                                                \
        product_part(pairs, R, V, add, a, a_stride, b, b_stride, c, c_stride, steps);              \
        break
#define PARTS(R)                                                                                   \
    PART(R, 1);                                                                                    \
    PART(R, 2);                                                                                    \
    PART(R, 3);                                                                                    \
    PART(R, 4)

/* Rows in nearly equal parts of at most six. */
ALWAYS_INLINE void product(bool pairs, int64_t rows, int vectors, bool add, const uint32_t *a,
                           int64_t a_stride, const uint32_t *b, int64_t b_stride, float *c,
                           int64_t c_stride, int64_t steps) {
    for (int64_t parts = div_up(rows, 6); parts > 0; parts--) {
        int64_t n = div_up(rows, parts);
        switch (n * 8 + vectors) {
            PARTS(1);
            PARTS(2);
            PARTS(3);
            PARTS(4);
            PARTS(5);
            PARTS(6);
        }
        a += n * a_stride;
        c += n * c_stride;
        rows -= n;
    }
}

static void product_pairs(int64_t rows, int vectors, bool add, const uint32_t *a, int64_t a_stride,
                          const uint32_t *b, int64_t b_stride, float *c, int64_t c_stride,
                          int64_t steps) {
    product(true, rows, vectors, add, a, a_stride, b, b_stride, c, c_stride, steps);
}

static void product_floats(int64_t rows, int vectors, bool add, const uint32_t *a, int64_t a_stride,
                           const uint32_t *b, int64_t b_stride, float *c, int64_t c_stride,
                           int64_t steps) {
    product(false, rows, vectors, add, a, a_stride, b, b_stride, c, c_stride, steps);
}

static const attn_core core_pairs = {.pairs = true, .grain = 12, .product = product_pairs};
static const attn_core core_floats = {.grain = 12, .product = product_floats};

static bool both_bf16(const kernel_query *q) {
    return !strcmp(q->in[ATTENTION_Q]->format->name, "bf16") &&
           !strcmp(q->in[ATTENTION_K]->format->name, "bf16");
}

static bool supports_pairs(const kernel_query *q, reason *why) {
    if (!both_bf16(q)) return refuse(why, "not bf16 queries over bf16 keys");
    return attn_supports(q, false, why);
}

static bool supports_floats(const kernel_query *q, reason *why) {
    if (both_bf16(q)) return refuse(why, "bf16 queries over bf16 keys go by pairs");
    return attn_supports(q, false, why);
}

static int64_t scratch_pairs(const call *c) {
    return attn_state_lay(NULL, true, attn_shape_of(c).hp, NULL);
}

static int64_t scratch_floats(const call *c) {
    return attn_state_lay(NULL, false, attn_shape_of(c).hp, NULL);
}

static void run_pairs(const call *c, int64_t from, int64_t to, void *scratch) {
    attn_forward(&core_pairs, c, from, to, scratch);
}

static void run_floats(const call *c, int64_t from, int64_t to, void *scratch) {
    attn_forward(&core_floats, c, from, to, scratch);
}

static void merge(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    attn_forward_merge(c, from, to);
}

static const kernel_def pairs = {.name = "avx512.attention.pairs",
                                 .op = &op_attention,
                                 .isa = "avx512",
                                 .order = 0x41010001,
                                 .supports = supports_pairs,
                                 .scratch_bytes = scratch_pairs,
                                 .shared_bytes = attn_shared_bytes,
                                 .units = attn_units,
                                 .run = run_pairs,
                                 .merge_units = attn_merge_units,
                                 .merge = merge,
                                 .tolerance = 0x1p-7};
static const kernel_def floats = {.name = "avx512.attention.floats",
                                  .op = &op_attention,
                                  .isa = "avx512",
                                  .order = 0x41010002,
                                  .supports = supports_floats,
                                  .scratch_bytes = scratch_floats,
                                  .shared_bytes = attn_shared_bytes,
                                  .units = attn_units,
                                  .run = run_floats,
                                  .merge_units = attn_merge_units,
                                  .merge = merge,
                                  .tolerance = 0x1p-18};

const kernel_def *const kernels_avx512_attention[] = {&pairs, &floats, NULL};
