/* What kit/quants_tile.h is built on, in AVX-512 with VNNI and BF16: registers of sixteen outputs (qf: floats; qi:
 * whole numbers of 8 to 32 bits), and the dot products of a block. */
#ifndef KERN_KIT_QUANTS_AVX512_H
#define KERN_KIT_QUANTS_AVX512_H

#include "kern/kit/quants.h"
#include "num/kit/quant.h"
#include <immintrin.h>
#include <string.h>

enum { QUANTS_WIDTH = 16, QUANTS_AT_ONCE = 2 };
typedef __m512 qf;
typedef __m512i qi;

ALWAYS_INLINE qf qf_set(float x) {
    return _mm512_set1_ps(x);
}
ALWAYS_INLINE qf qf_load(const void *p) {
    return _mm512_loadu_ps(p);
}
ALWAYS_INLINE void qf_store(void *p, qf x) {
    _mm512_storeu_ps(p, x);
}
ALWAYS_INLINE qf qf_mul(qf a, qf b) {
    return _mm512_mul_ps(a, b);
}
ALWAYS_INLINE qf qf_negative(qf x) {
    return _mm512_sub_ps(_mm512_setzero_ps(), x);
}
/* a b + c */
ALWAYS_INLINE qf qf_fma(qf a, qf b, qf c) {
    return _mm512_fmadd_ps(a, b, c);
}
ALWAYS_INLINE qf qf_of(qi x) {
    return _mm512_cvtepi32_ps(x);
}
ALWAYS_INLINE qf qf_of_bits(qi x) {
    return _mm512_castsi512_ps(x);
}
ALWAYS_INLINE qf qf_of_halves(const char *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
ALWAYS_INLINE qi qi_set(int32_t x) {
    return _mm512_set1_epi32(x);
}
ALWAYS_INLINE qi qi_set_bytes(int x) {
    return _mm512_set1_epi8((char)x);
}
ALWAYS_INLINE qi qi_load(const void *p) {
    return _mm512_loadu_si512(p);
}
ALWAYS_INLINE qi qi_and(qi a, qi b) {
    return _mm512_and_si512(a, b);
}
/* code | (x & mask) */
ALWAYS_INLINE qi qi_merge(qi code, qi x, qi mask) {
    return _mm512_ternarylogic_epi32(code, x, mask, 0xf8);
}
/* Words left by n, or right by -n. */
ALWAYS_INLINE qi qi_shift(qi x, int n) {
    return n > 0   ? _mm512_slli_epi32(x, (unsigned)n)
           : n < 0 ? _mm512_srli_epi32(x, (unsigned)-n)
                   : x;
}
ALWAYS_INLINE qi qi_lookup(const uint8_t *table, qi code) {
    __m512i all = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table));
    return _mm512_shuffle_epi8(all, code);
}
ALWAYS_INLINE qi qi_of_bytes(const char *p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
ALWAYS_INLINE qi qi_of_signed_bytes(const char *p) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p));
}

#include "kern/kit/quants_codes.h"

/* bf16 of the 64 lowest codes, which compilers turn into constants. */
typedef struct quants_tables {
    __m512i low, high;
} quants_tables;

ALWAYS_INLINE void quants_tables_of(const quants_scheme *s, bool bf16, quants_tables *x) {
    static const float iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};
    static const float mxfp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    uint16_t table[64];
    *x = (quants_tables){_mm512_setzero_si512(), _mm512_setzero_si512()};
    if (!bf16 || s->bits > 8) return;
    for (int c = 0; c < 64; c++) {
        float y = s->book == QUANTS_IQ4     ? iq4[c % 16]
                  : s->book == QUANTS_MXFP4 ? mxfp4[c % 16]
                  : s->book == QUANTS_NF4   ? quant_nf4_values[c % 16]
                                            : (float)(c - s->zero);
        table[c] = half_to_bf16(y);
    }
    x->low = _mm512_loadu_si512(table);
    x->high = _mm512_loadu_si512(table + 32);
}

/* What codes stand for, as bf16, from words that hold a code each. */
ALWAYS_INLINE __m512i quants_bf16_of(const quants_scheme *s, const quants_tables *x,
                                     __m512i words) {
    if (s->bits <= 5) return _mm512_permutexvar_epi16(words, x->low);
    if (s->bits <= 6) {
        __mmask32 upper = _mm512_test_epi16_mask(words, _mm512_set1_epi16(32));
        return _mm512_mask_permutexvar_epi16(_mm512_permutexvar_epi16(words, x->low), upper, words,
                                             x->high);
    }
    /* 2^23 + code, less 2^23 + zero: whole, and of at most 8 bits */
    const __m512i magic = _mm512_set1_epi32(0x4b000000), mask = _mm512_set1_epi32(0xffff);
    const __m512 less = _mm512_set1_ps(8388608.0f + (float)s->zero);
    __m512i even = _mm512_ternarylogic_epi32(magic, words, mask, 0xf8);
    __m512i odd = _mm512_or_si512(magic, _mm512_srli_epi32(words, 16));
    even = _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(even), less));
    odd = _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(odd), less));
    return _mm512_ternarylogic_epi32(_mm512_srli_epi32(even, 16), odd, _mm512_slli_epi32(mask, 16),
                                     0xf8);
}

/* Register `e` (0: k0 and k2, 1: k1 and k3) of group g as pairs of bf16. */
ALWAYS_INLINE __m512i quants_pairs(const quants_scheme *s, const quants_tables *x, __m512i codes,
                                   int e) {
    const __m512i even = _mm512_set1_epi16(255);
    return quants_bf16_of(s, x, e ? _mm512_srli_epi16(codes, 8) : _mm512_and_si512(codes, even));
}

/* Group g of a block as ready operands. */
ALWAYS_INLINE void quants_put_ready(const quants_scheme *s, bool bf16, const quants_tables *x,
                                    const char *block, int g, char *out) {
    __m512i codes = quants_codes(s, !bf16, block, g);
    for (int e = 0; e < (bf16 ? 2 : 1); e++)
        _mm512_storeu_si512(out + 64 * e, bf16 ? quants_pairs(s, x, codes, e) : codes);
}

/* Group g of a block into the sums. */
ALWAYS_INLINE void quants_dot(const quants_scheme *s, bool bf16, const quants_tables *x, int rows,
                              int columns, const quants_tile *t, const char *const *block,
                              const char *a, int g, __m512i sum[QUANTS_FEW][QUANTS_PAIR]) {
    const char *a3 = a + 3 * t->a_stride, *a6 = a3 + 3 * t->a_stride;
    __m512i codes[QUANTS_PAIR], w[QUANTS_PAIR];
    for (int p = 0; p < columns && s->bits <= 8; p++)
        codes[p] = quants_codes(s, !bf16, block[p], g);
    for (int e = 0; e < (bf16 ? 2 : 1); e++) {
        for (int p = 0; p < columns; p++)
            w[p] = s->bits == 16 ? _mm512_loadu_si512(block[p] + 128 * g + 64 * e)
                   : bf16        ? quants_pairs(s, x, codes[p], e)
                                 : codes[p];
        for (int r = 0; r < rows; r++) {
            const char *row = r < 3 ? a : r < 6 ? a3 : a6;
            int32_t group;
            memcpy(&group, row + r % 3 * t->a_stride + (bf16 ? 8 * g + 4 * e : 4 * g),
                   sizeof group);
            __m512i y = _mm512_set1_epi32(group);
            for (int p = 0; p < columns; p++) {
                sum[r][p] =
                    bf16 ? (__m512i)_mm512_dpbf16_ps((__m512)sum[r][p], (__m512bh)w[p], (__m512bh)y)
                         : _mm512_dpbusd_epi32(sum[r][p], w[p], y);
                IN_REGISTER(sum[r][p]);
            }
        }
    }
}

/* Groups [from, to) of a block. Ready operands are walked by a loop, which keeps compilers from loading all
 * of a block ahead of its use and running out of registers. */
ALWAYS_INLINE void quants_dots(const quants_scheme *s, bool bf16, const quants_tables *x, int rows,
                               int columns, bool stream, const quants_tile *t,
                               const char *const *block, const char *a, int from, int to,
                               __m512i sum[QUANTS_FEW][QUANTS_PAIR]) {
    if (s->scale == QUANTS_READY) {
        const int bytes = 8 * s->bits, step = bf16 ? 1 : 2; /* of a group; groups a turn */
        const char *at[QUANTS_PAIR];
        for (int p = 0; p < columns; p++) at[p] = block[p] + bytes * from;
        int64_t left = (to - from) / step;
        FORGET(left);
        for (a += (bf16 ? 8 : 4) * from; left > 0; left--, a += 8) {
            for (int g = 0; g < step; g++) quants_dot(s, bf16, x, rows, columns, t, at, a, g, sum);
            for (int p = 0; p < columns; p++) at[p] += step * bytes;
        }
        return;
    }
    UNROLLED
    for (int g = from; g < to; g++) {
        quants_dot(s, bf16, x, rows, columns, t, block, a, g, sum);
        if (stream && g * s->bits % 8 < s->bits)
            PREFETCH_ONCE(block[0] + QUANTS_FETCH + 64 * (g * s->bits / 8));
    }
}

#endif
