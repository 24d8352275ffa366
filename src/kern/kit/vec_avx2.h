/* What kit/vec.h is built on, in AVX2 with FMA and F16C: sixteen floats in two registers. */
#ifndef KERN_KIT_VEC_AVX2_H
#define KERN_KIT_VEC_AVX2_H

#include "base/compiler.h"
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define VEC_ISA "avx2"
#define VEC_NAME(id) kernels_avx2_##id
enum { VEC_ORDER = 0x25610000, VEC_TOGETHER = 1 };

typedef struct vec {
    __m256 low, high;
} vec;
typedef struct vec_ints {
    __m256i low, high;
} vec_ints;
typedef vec vec_is;       /* all bits of a lane, or none */
typedef struct vec_part { /* the lanes from 0 on that are there */
    bool all;
    int32_t count;
} vec_part;
#define VEC_ALL ((vec_part){true, 16})

ALWAYS_INLINE vec_part vec_first(int64_t count) {
    return (vec_part){false, count >= 16 ? 16 : count <= 0 ? 0 : (int32_t)count};
}

#define VEC_TWO(name, T, op)                                                                       \
    ALWAYS_INLINE T name(T a, T b) {                                                               \
        return (T){op(a.low, b.low), op(a.high, b.high)};                                          \
    }
#define VEC_ONE(name, T, from, op)                                                                 \
    ALWAYS_INLINE T name(from x) {                                                                 \
        return (T){op(x.low), op(x.high)};                                                         \
    }
VEC_TWO(vec_add, vec, _mm256_add_ps)
VEC_TWO(vec_sub, vec, _mm256_sub_ps)
VEC_TWO(vec_mul, vec, _mm256_mul_ps)
VEC_TWO(vec_div, vec, _mm256_div_ps)
VEC_TWO(vec_min, vec, _mm256_min_ps) /* of these two b, where either is NaN */
VEC_TWO(vec_max, vec, _mm256_max_ps)
VEC_TWO(vec_xor, vec, _mm256_xor_ps)
VEC_TWO(vec_and, vec, _mm256_and_ps)
VEC_TWO(vec_or, vec, _mm256_or_ps)
VEC_TWO(vec_ints_add, vec_ints, _mm256_add_epi32)
VEC_TWO(vec_ints_sub, vec_ints, _mm256_sub_epi32)
VEC_TWO(vec_ints_mul, vec_ints, _mm256_mullo_epi32)
VEC_TWO(vec_ints_and, vec_ints, _mm256_and_si256)
VEC_TWO(vec_ints_xor, vec_ints, _mm256_xor_si256)
#define vec_ints_left(x, bits)                                                                     \
    ((vec_ints){_mm256_slli_epi32((x).low, bits), _mm256_slli_epi32((x).high, bits)})
#define vec_ints_right(x, bits)                                                                    \
    ((vec_ints){_mm256_srli_epi32((x).low, bits), _mm256_srli_epi32((x).high, bits)})
#define vec_ints_right_signed(x, bits)                                                             \
    ((vec_ints){_mm256_srai_epi32((x).low, bits), _mm256_srai_epi32((x).high, bits)})
VEC_ONE(vec_bits, vec_ints, vec, _mm256_castps_si256)
VEC_ONE(vec_of_bits, vec, vec_ints, _mm256_castsi256_ps)
VEC_ONE(vec_of_ints, vec, vec_ints, _mm256_cvtepi32_ps)
VEC_ONE(vec_ints_of, vec_ints, vec, _mm256_cvtps_epi32) /* to the nearest, ties to even */
VEC_ONE(vec_sqrt, vec, vec, _mm256_sqrt_ps)

ALWAYS_INLINE vec vec_set(float x) {
    return (vec){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
ALWAYS_INLINE vec vec_zero(void) {
    return (vec){_mm256_setzero_ps(), _mm256_setzero_ps()};
}
ALWAYS_INLINE vec_ints vec_ints_set(int32_t x) {
    return (vec_ints){_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
/* 0, 1, 2 .. */
ALWAYS_INLINE vec_ints vec_ints_count(void) {
    return (vec_ints){_mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0),
                      _mm256_set_epi32(15, 14, 13, 12, 11, 10, 9, 8)};
}
/* x, for which the compiler finds a register here: it does not put the work off till x is used. */
ALWAYS_INLINE vec vec_stage(vec x) {
    IN_REGISTER(x.low);
    IN_REGISTER(x.high);
    return x;
}
/* a b + c */
ALWAYS_INLINE vec vec_fma(vec a, vec b, vec c) {
    return (vec){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
/* a b - c */
ALWAYS_INLINE vec vec_fms(vec a, vec b, vec c) {
    return (vec){_mm256_fmsub_ps(a.low, b.low, c.low), _mm256_fmsub_ps(a.high, b.high, c.high)};
}
/* c - a b */
ALWAYS_INLINE vec vec_fnma(vec a, vec b, vec c) {
    return (vec){_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
}
/* lanes 1, 0, 3, 2 .. */
ALWAYS_INLINE vec vec_swap(vec x) {
    return (vec){_mm256_permute_ps(x.low, 0xb1), _mm256_permute_ps(x.high, 0xb1)};
}
/* magnitude of m, sign of x */
ALWAYS_INLINE vec vec_sign(vec m, vec x) {
    const vec bit = vec_set(-0.0f);
    vec without = {_mm256_andnot_ps(bit.low, m.low), _mm256_andnot_ps(bit.high, m.high)};
    return vec_or(without, vec_and(bit, x));
}
/* 1 / x within 2^-14, for 1 <= x < inf */
ALWAYS_INLINE vec vec_recip_coarse(vec x) {
    vec r = {_mm256_rcp_ps(x.low), _mm256_rcp_ps(x.high)};
    return vec_fma(r, vec_fnma(x, r, vec_set(1)), r);
}
VEC_ONE(vec_floor, vec, vec, _mm256_floor_ps)
/* Where 2 to the whole number is neither 0 nor infinity, and one step further. */
ALWAYS_INLINE vec vec_bounded(vec x) {
    return vec_min(vec_set(128), vec_max(vec_set(-127), x));
}
/* How far x is above the next whole number below; 0 of infinities. */
ALWAYS_INLINE vec vec_fraction(vec x) {
    x = vec_bounded(x);
    return vec_sub(x, vec_floor(x));
}
/* p times 2 to that whole number, for 1/2 <= p < 2: infinity from 2^128 on, 0 or a denormal below 2^-126. */
ALWAYS_INLINE vec vec_scaled(vec p, vec x) {
    vec n = vec_add(vec_floor(vec_bounded(x)), vec_set(0x1.8p23f + 127));
    return vec_mul(p, vec_of_bits(vec_ints_left(vec_bits(n), 23)));
}

#define VEC_COMPARE(name, how)                                                                     \
    ALWAYS_INLINE vec_is name(vec a, vec b) {                                                      \
        return (vec_is){_mm256_cmp_ps(a.low, b.low, how), _mm256_cmp_ps(a.high, b.high, how)};     \
    }
VEC_COMPARE(vec_less, _CMP_LT_OQ)
VEC_COMPARE(vec_less_equal, _CMP_LE_OQ)
VEC_COMPARE(vec_equal, _CMP_EQ_OQ)
VEC_COMPARE(vec_unordered, _CMP_UNORD_Q)
ALWAYS_INLINE vec_is vec_is_nan(vec x) {
    return vec_unordered(x, x);
}
ALWAYS_INLINE vec_is vec_ints_less(vec_ints a, vec_ints b) {
    return vec_of_bits(
        (vec_ints){_mm256_cmpgt_epi32(b.low, a.low), _mm256_cmpgt_epi32(b.high, a.high)});
}
ALWAYS_INLINE vec_is vec_is_not(vec_is x) {
    return vec_xor(x, vec_of_bits(vec_ints_set(-1)));
}
ALWAYS_INLINE bool vec_any(vec_is x) {
    return _mm256_movemask_ps(_mm256_or_ps(x.low, x.high)) != 0;
}
ALWAYS_INLINE vec vec_pick(vec_is is, vec yes, vec no) {
    return (vec){_mm256_blendv_ps(no.low, yes.low, is.low),
                 _mm256_blendv_ps(no.high, yes.high, is.high)};
}
ALWAYS_INLINE vec_is vec_part_is(vec_part part) {
    return vec_ints_less(vec_ints_count(), vec_ints_set(part.count));
}
/* `yes` in the lanes that are there */
ALWAYS_INLINE vec vec_kept(vec_part part, vec yes, vec no) {
    return part.all ? yes : vec_pick(vec_part_is(part), yes, no);
}

/* Sums and the largest of the lanes, by one fixed tree. */
ALWAYS_INLINE float vec_sum(vec x) {
    __m256 a = _mm256_add_ps(x.low, x.high);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
ALWAYS_INLINE float vec_largest(vec x) {
    __m256 a = _mm256_max_ps(x.low, x.high);
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

/* ---- memory; lanes that are not there are 0 and not touched ---- */
ALWAYS_INLINE vec_ints vec_load_ints(const int32_t *p, vec_part part) {
    if (part.all)
        return (vec_ints){_mm256_loadu_si256((const __m256i *)p),
                          _mm256_loadu_si256((const __m256i *)(p + 8))};
    vec_ints is = vec_bits(vec_part_is(part));
    return (vec_ints){_mm256_maskload_epi32(p, is.low), _mm256_maskload_epi32(p + 8, is.high)};
}
ALWAYS_INLINE void vec_store_ints(int32_t *p, vec_part part, vec_ints x) {
    if (part.all) {
        _mm256_storeu_si256((__m256i *)p, x.low);
        _mm256_storeu_si256((__m256i *)(p + 8), x.high);
        return;
    }
    vec_ints is = vec_bits(vec_part_is(part));
    _mm256_maskstore_epi32(p, is.low, x.low);
    _mm256_maskstore_epi32(p + 8, is.high, x.high);
}
ALWAYS_INLINE vec vec_load_f32(const float *p, vec_part part) {
    if (part.all) return (vec){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
    vec_ints is = vec_bits(vec_part_is(part));
    return (vec){_mm256_maskload_ps(p, is.low), _mm256_maskload_ps(p + 8, is.high)};
}
ALWAYS_INLINE void vec_store_f32(float *p, vec_part part, vec x) {
    if (part.all) {
        _mm256_storeu_ps(p, x.low);
        _mm256_storeu_ps(p + 8, x.high);
        return;
    }
    vec_ints is = vec_bits(vec_part_is(part));
    _mm256_maskstore_ps(p, is.low, x.low);
    _mm256_maskstore_ps(p + 8, is.high, x.high);
}
/* Sixteen whole numbers from -128 to 127. */
ALWAYS_INLINE void vec_store_bytes(int8_t *p, vec_ints x) {
    __m256i halves = _mm256_permute4x64_epi64(_mm256_packs_epi32(x.low, x.high), 0xd8);
    __m128i low = _mm256_castsi256_si128(halves), high = _mm256_extracti128_si256(halves, 1);
    _mm_storeu_si128((__m128i *)p, _mm_packs_epi16(low, high));
}
enum { VEC_NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };
typedef __m256i vec_halves; /* sixteen times 16 bits */
ALWAYS_INLINE vec_halves vec_load_halves(const uint16_t *p, vec_part part) {
    if (part.all) return _mm256_loadu_si256((const __m256i *)p);
    uint16_t some[16] = {0};
    memcpy(some, p, (size_t)part.count * sizeof *p);
    return _mm256_loadu_si256((const __m256i *)some);
}
ALWAYS_INLINE void vec_store_halves(uint16_t *p, vec_part part, vec_halves x) {
    if (part.all) {
        _mm256_storeu_si256((__m256i *)p, x);
        return;
    }
    uint16_t some[16];
    _mm256_storeu_si256((__m256i *)some, x);
    memcpy(p, some, (size_t)part.count * sizeof *p);
}
ALWAYS_INLINE vec vec_of_bf16(vec_halves x) {
    __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(x));
    __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(x, 1));
    return vec_of_bits((vec_ints){_mm256_slli_epi32(low, 16), _mm256_slli_epi32(high, 16)});
}
/* 32 elements: the even ones, and the odd ones. */
ALWAYS_INLINE void vec_load_two_bf16(const uint16_t *p, vec *a, vec *b) {
    const __m256i *at = (const __m256i *)p;
    vec_ints both = {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
    *a = vec_of_bits(vec_ints_left(both, 16));
    *b = vec_of_bits(vec_ints_and(both, vec_ints_set((int32_t)0xffff0000)));
}
ALWAYS_INLINE vec vec_of_f16(vec_halves x) {
    return (vec){_mm256_cvtph_ps(_mm256_castsi256_si128(x)),
                 _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1))};
}
ALWAYS_INLINE vec_halves vec_to_f16(vec x) {
    return _mm256_set_m128i(_mm256_cvtps_ph(x.high, VEC_NEAREST),
                            _mm256_cvtps_ph(x.low, VEC_NEAREST));
}
ALWAYS_INLINE vec_halves vec_to_bf16(vec x) {
    vec_ints u = vec_bits(x), top = vec_ints_right(u, 16);
    vec_ints up = vec_ints_add(vec_ints_and(top, vec_ints_set(1)), vec_ints_set(0x7fff));
    vec_ints r = vec_ints_right(vec_ints_add(u, up), 16);
    vec nan = vec_or(vec_of_bits(top), vec_of_bits(vec_ints_set(0x40)));
    r = vec_bits(vec_pick(vec_is_nan(x), nan, vec_of_bits(r)));
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(r.low, r.high), 0xd8);
}
ALWAYS_INLINE void vec_store_two_bf16(uint16_t *p, vec a, vec b) {
    vec_store_halves(p, VEC_ALL, vec_to_bf16(a));
    vec_store_halves(p + 16, VEC_ALL, vec_to_bf16(b));
}
/* One cache line, past the caches. */
ALWAYS_INLINE void vec_store_line_past(void *to, const void *from) {
    for (int k = 0; k < 2; k++)
        _mm256_stream_si256((__m256i *)to + k, _mm256_loadu_si256((const __m256i *)from + k));
}
ALWAYS_INLINE vec_ints vec_ints_of_halves(vec_halves x) {
    return (vec_ints){_mm256_cvtepu16_epi32(_mm256_castsi256_si128(x)),
                      _mm256_cvtepu16_epi32(_mm256_extracti128_si256(x, 1))};
}
ALWAYS_INLINE vec_halves vec_halves_of_ints(vec_ints x) {
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(x.low, x.high), 0xd8);
}
/* Row i of a quarter becomes column i. */
ALWAYS_INLINE void vec_transpose_quarter(__m256i r[8]) {
    __m256i t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            r[i + 2 * k] = _mm256_unpacklo_epi64(t[i + k], t[i + k + 2]);
            r[i + 2 * k + 1] = _mm256_unpackhi_epi64(t[i + k], t[i + k + 2]);
        }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x31);
    }
    for (int i = 0; i < 8; i++) r[i] = t[i];
}
/* Row i becomes column i. */
ALWAYS_INLINE void vec_transpose(vec_ints r[16]) {
    for (int i = 0; i < 16; i += 8)
        for (int k = 0; k < 2; k++) {
            __m256i quarter[8];
            for (int q = 0; q < 8; q++) quarter[q] = k ? r[i + q].high : r[i + q].low;
            vec_transpose_quarter(quarter);
            for (int q = 0; q < 8; q++) *(k ? &r[i + q].high : &r[i + q].low) = quarter[q];
        }
    for (int q = 0; q < 8; q++) {
        __m256i across = r[q].high;
        r[q].high = r[8 + q].low;
        r[8 + q].low = across;
    }
}

#endif
