/* Rounding rows to int8_g32, bit for bit as num/family/ints.c packs: 32 codes under scale = largest / 127. */
#include "kern/kit/rows_avx512.h"
#include "ops/cast.h"
#include <string.h>

enum { BLOCK = 32, BLOCK_BYTES = 4 + BLOCK };

static bool supports(const kernel_query *q, reason *why) {
    const num_format *to = ((const cast_params *)q->node->params)->format;
    if (strcmp(to->name, "int8_g32") != 0) return refuse(why, "to %s, not int8_g32", to->name);
    return vec_format_of(q->in[0]->format) != VEC_NONE ||
           refuse(why, "operand 0 is %s", q->in[0]->format->name);
}

ALWAYS_INLINE void round_block(__m512 low, __m512 high, char *out) {
    const __m512i most = _mm512_set1_epi32(0x7f7fffff), zero = _mm512_set1_epi8(-128);
    __m512 a = vec_abs(low), b = vec_abs(high);
    float largest = _mm512_reduce_max_ps(_mm512_max_ps(a, b)), scale = largest / 127.0f;
    bool finite = !(_mm512_cmpgt_epi32_mask(_mm512_castps_si512(a), most) |
                    _mm512_cmpgt_epi32_mask(_mm512_castps_si512(b), most));
    if (!finite) scale = NAN;
    memcpy(out, &scale, 4);
    __m256i codes = _mm512_castsi512_si256(zero);
    if (scale > 0) {
        __m512i x = _mm512_cvtps_epi32(_mm512_div_ps(low, vec_set(scale)));
        __m512i y = _mm512_cvtps_epi32(_mm512_div_ps(high, vec_set(scale)));
        const __m512i lo = _mm512_set1_epi32(-127), hi = _mm512_set1_epi32(127);
        x = _mm512_max_epi32(lo, _mm512_min_epi32(hi, x));
        y = _mm512_max_epi32(lo, _mm512_min_epi32(hi, y));
        codes = _mm256_set_m128i(_mm512_cvtepi32_epi8(y), _mm512_cvtepi32_epi8(x));
        codes = _mm256_xor_si256(codes, _mm512_castsi512_si256(zero));
    }
    _mm256_storeu_si256((__m256i *)(out + 4), codes);
}

ALWAYS_INLINE void round_rows(vec_format f, const call *c, int64_t from, int64_t to) {
    int64_t n = rows_columns(&c->out[0]), row_bytes = num_row_bytes(c->out[0].format, n);
    rows_range(&c->out[0], &from, &to);
    for (int64_t r = from; r < to; r++) {
        char *out = (char *)c->out[0].data + r * row_bytes;
        for (int64_t i = 0; i < n; i += BLOCK, out += BLOCK_BYTES)
            round_block(vec_load_some(f, c->in[0].data, r * n + i, vec_mask(n - i)),
                        vec_load_some(f, c->in[0].data, r * n + i + 16,
                                      n - i > 16 ? vec_mask(n - i - 16) : 0),
                        out);
    }
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    switch (vec_format_of(c->in[0].format)) {
    case VEC_F32:
        round_rows(VEC_F32, c, from, to);
        break;
    case VEC_BF16:
        round_rows(VEC_BF16, c, from, to);
        break;
    default:
        round_rows(VEC_F16, c, from, to);
    }
}

static const kernel_def kernel = {.name = "avx512.quantise",
                                  .op = &op_quantise,
                                  .isa = "avx512",
                                  .order = 1,
                                  .supports = supports,
                                  .units = rows_units,
                                  .run = run,
                                  .tolerance = 0x1p-24};

const kernel_def *const kernels_avx512_quantise[] = {&kernel, NULL};
