/* What kit/quants_tile.h is built on, in AVX2 with FMA and F16C: registers of eight outputs (qf: floats; qi: whole
 * numbers of 8 to 32 bits), and the dot products of a block.
 *
 * int8: vpmaddubsw adds pairs of u8 x s8 in 16 bits, which hold so many groups of four k's before vpmaddwd takes them
 * to 32: 2 (2^bits - 1) 127 each, 8 groups of 4 bits, 4 of 5, 2 of 6. Codes of 8 bits would not fit even once: less 128
 * they are signed, and their sign goes over to a, which is within -127..127. Sums stay exact, and so equal those of
 * AVX-512, bit for bit.
 * bf16: values and rows of a become floats, in chains of FMA with k's in the order 0 2 1 3 of each group. */
#ifndef KERN_KIT_QUANTS_AVX2_H
#define KERN_KIT_QUANTS_AVX2_H

#include "kern/kit/quants.h"
#include "num/kit/quant.h"
#include <immintrin.h>
#include <string.h>

enum { QUANTS_WIDTH = 8, QUANTS_AT_ONCE = 1 };
typedef __m256 qf;
typedef __m256i qi;

ALWAYS_INLINE qf qf_set(float x) {
    return _mm256_set1_ps(x);
}
ALWAYS_INLINE qf qf_load(const void *p) {
    return _mm256_loadu_ps(p);
}
ALWAYS_INLINE void qf_store(void *p, qf x) {
    _mm256_storeu_ps(p, x);
}
ALWAYS_INLINE qf qf_mul(qf a, qf b) {
    return _mm256_mul_ps(a, b);
}
ALWAYS_INLINE qf qf_negative(qf x) {
    return _mm256_sub_ps(_mm256_setzero_ps(), x);
}
/* a b + c */
ALWAYS_INLINE qf qf_fma(qf a, qf b, qf c) {
    return _mm256_fmadd_ps(a, b, c);
}
ALWAYS_INLINE qf qf_of(qi x) {
    return _mm256_cvtepi32_ps(x);
}
ALWAYS_INLINE qf qf_of_bits(qi x) {
    return _mm256_castsi256_ps(x);
}
ALWAYS_INLINE qf qf_of_halves(const char *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
ALWAYS_INLINE qi qi_set(int32_t x) {
    return _mm256_set1_epi32(x);
}
ALWAYS_INLINE qi qi_set_bytes(int x) {
    return _mm256_set1_epi8((char)x);
}
ALWAYS_INLINE qi qi_load(const void *p) {
    return _mm256_loadu_si256(p);
}
ALWAYS_INLINE qi qi_and(qi a, qi b) {
    return _mm256_and_si256(a, b);
}
/* code | (x & mask) */
ALWAYS_INLINE qi qi_merge(qi code, qi x, qi mask) {
    return _mm256_or_si256(code, _mm256_and_si256(x, mask));
}
/* Words left by n, or right by -n. */
ALWAYS_INLINE qi qi_shift(qi x, int n) {
    return n > 0 ? _mm256_slli_epi32(x, n) : n < 0 ? _mm256_srli_epi32(x, -n) : x;
}
ALWAYS_INLINE qi qi_lookup(const uint8_t *table, qi code) {
    __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
    return _mm256_shuffle_epi8(both, code);
}
ALWAYS_INLINE qi qi_of_bytes(const char *p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
ALWAYS_INLINE qi qi_of_signed_bytes(const char *p) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p));
}

#include "kern/kit/quants_codes.h"

/* Values of NF4, rounded to bf16. */
typedef struct quants_tables {
    qf low, high;
} quants_tables;

ALWAYS_INLINE void quants_tables_of(const quants_scheme *s, bool bf16, quants_tables *x) {
    float table[16] = {0};
    for (int c = 0; c < 16 && bf16 && s->book == QUANTS_NF4; c++)
        table[c] = half_from_bf16(half_to_bf16(quant_nf4_values[c]));
    *x = (quants_tables){qf_load(table), qf_load(table + 8)};
}

/* The first or the second of pairs of bf16. */
ALWAYS_INLINE qf quants_half(qi pairs, bool second) {
    return qf_of_bits(second ? qi_and(pairs, qi_set(-65536)) : qi_shift(pairs, 16));
}

/* What byte k of the words of `codes` stands for. */
ALWAYS_INLINE qf quants_value(const quants_scheme *s, const quants_tables *x, qi codes, int k) {
    qi code = k < 3 ? qi_and(qi_shift(codes, -8 * k), qi_set(255)) : qi_shift(codes, -24);
    if (s->book != QUANTS_NF4) return qf_of(_mm256_sub_epi32(code, qi_set(s->zero)));
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(x->low, code),
                            _mm256_permutevar8x32_ps(x->high, code),
                            qf_of_bits(qi_shift(code, 28)));
}

/* Codes as they meet int8: of 8 bits less 128. */
ALWAYS_INLINE qi quants_operand(const quants_scheme *s, const char *block, int g) {
    qi codes = quants_codes(s, true, block, g);
    bool is_signed = s->scale != QUANTS_READY && quants_code_bits(s) == 8;
    return is_signed ? _mm256_xor_si256(codes, qi_set_bytes(128)) : codes;
}

/* Group g of a block as ready operands. */
ALWAYS_INLINE void quants_put_ready(const quants_scheme *s, bool bf16, const quants_tables *x,
                                    const char *block, int g, char *out) {
    if (!bf16) {
        _mm256_storeu_si256((__m256i *)out, quants_operand(s, block, g));
        return;
    }
    qi codes = quants_codes(s, true, block, g);
    for (int e = 0; e < 2; e++) {
        qi first = _mm256_castps_si256(quants_value(s, x, codes, e));
        qi second = _mm256_castps_si256(quants_value(s, x, codes, e + 2));
        qi pairs = qi_merge(qi_shift(first, -16), second, qi_set(-65536));
        _mm256_storeu_si256((__m256i *)(out + 64 * e), pairs);
    }
}

ALWAYS_INLINE int32_t quants_group(const quants_tile *t, const char *a, int row, int64_t at) {
    const char *third = a + row / 3 * 3 * t->a_stride;
    int32_t group;
    memcpy(&group, third + row % 3 * t->a_stride + at, sizeof group);
    return group;
}

/* Groups g .. g + count - 1 of a block into the sums: as many as 16 bits hold. */
ALWAYS_INLINE void quants_dot_int8(const quants_scheme *s, int rows, const quants_tile *t,
                                   const char *block, const char *a, int g, int count,
                                   qi sum[QUANTS_FEW][QUANTS_PAIR]) {
    const bool is_signed = quants_code_bits(s) == 8;
    qi part[QUANTS_FEW];
    UNROLLED
    for (int i = 0; i < count; i++) {
        qi w = quants_operand(s, block, g + i), size = is_signed ? _mm256_abs_epi8(w) : w;
        for (int r = 0; r < rows; r++) {
            qi y = qi_set(quants_group(t, a, r, 4 * (g + i)));
            y = _mm256_maddubs_epi16(size, is_signed ? _mm256_sign_epi8(y, w) : y);
            part[r] = i ? _mm256_add_epi16(part[r], y) : y;
        }
    }
    for (int r = 0; r < rows; r++)
        sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(part[r], _mm256_set1_epi16(1)));
}

/* Group g of a block into the sums, which are floats. */
ALWAYS_INLINE void quants_dot_bf16(const quants_scheme *s, const quants_tables *x, int rows,
                                   const quants_tile *t, const char *block, const char *a, int g,
                                   qi sum[QUANTS_FEW][QUANTS_PAIR]) {
    qi codes = s->bits == 16 ? qi_set(0) : quants_codes(s, true, block, g);
    for (int e = 0; e < 2; e++) {
        qi pairs = s->bits == 16 ? qi_load(block + 128 * g + 64 * e) : codes;
        for (int second = 0; second < 2; second++) {
            qf w = s->bits == 16 ? quants_half(pairs, second)
                                 : quants_value(s, x, codes, e + 2 * second);
            for (int r = 0; r < rows; r++) {
                qi y = qi_set(quants_group(t, a, r, 8 * g + 4 * e));
                qf z = qf_fma(w, quants_half(y, second), qf_of_bits(sum[r][0]));
                sum[r][0] = _mm256_castps_si256(z);
            }
        }
    }
}

/* Groups [from, to) of a block in one column. */
ALWAYS_INLINE void quants_dots(const quants_scheme *s, bool bf16, const quants_tables *x, int rows,
                               int columns, bool stream, const quants_tile *t,
                               const char *const *block, const char *a, int from, int to,
                               qi sum[QUANTS_FEW][QUANTS_PAIR]) {
    const int bits = quants_code_bits(s);
    const int once = bf16 ? 1 : bits <= 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1;
    (void)columns;
    UNROLLED
    for (int g = from; g < to; g += once) {
        if (bf16)
            quants_dot_bf16(s, x, rows, t, block[0], a, g, sum);
        else
            quants_dot_int8(s, rows, t, block[0], a, g, MIN_OF(once, to - g), sum);
    }
    for (int g = from; g < to && stream; g++)
        if (g * s->bits % 8 < s->bits) PREFETCH_ONCE(block[0] + QUANTS_FETCH + 64 * (g * s->bits / 8));
}

#endif
