/* What kit/vec.h is built on, in AVX-512: sixteen floats in one register. */
#ifndef KERN_KIT_VEC_AVX512_H
#define KERN_KIT_VEC_AVX512_H

#include "base/compiler.h"
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define VEC_ISA "avx512"
#define VEC_NAME(id) kernels_avx512_##id
enum { VEC_ORDER = 0x51210000, VEC_TOGETHER = 4 };

typedef __m512 vec;
typedef __m512i vec_ints;
typedef __mmask16 vec_is; /* a truth for each lane */
typedef struct vec_part { /* the lanes from 0 on that are there */
    bool all;
    __mmask16 mask;
} vec_part;
#define VEC_ALL ((vec_part){true, 0xffff})

ALWAYS_INLINE vec_part vec_first(int64_t count) {
    return (vec_part){false, count >= 16  ? 0xffff
                             : count <= 0 ? 0
                                          : (__mmask16)((1u << count) - 1)};
}

#define VEC_TWO(name, T, op)                                                                       \
    ALWAYS_INLINE T name(T a, T b) {                                                               \
        return op(a, b);                                                                           \
    }
VEC_TWO(vec_add, vec, _mm512_add_ps)
VEC_TWO(vec_sub, vec, _mm512_sub_ps)
VEC_TWO(vec_mul, vec, _mm512_mul_ps)
VEC_TWO(vec_div, vec, _mm512_div_ps)
VEC_TWO(vec_min, vec, _mm512_min_ps) /* of these two b, where either is NaN */
VEC_TWO(vec_max, vec, _mm512_max_ps)
VEC_TWO(vec_xor, vec, _mm512_xor_ps)
VEC_TWO(vec_and, vec, _mm512_and_ps)
VEC_TWO(vec_or, vec, _mm512_or_ps)
VEC_TWO(vec_ints_add, vec_ints, _mm512_add_epi32)
VEC_TWO(vec_ints_sub, vec_ints, _mm512_sub_epi32)
VEC_TWO(vec_ints_mul, vec_ints, _mm512_mullo_epi32)
VEC_TWO(vec_ints_and, vec_ints, _mm512_and_si512)
VEC_TWO(vec_ints_xor, vec_ints, _mm512_xor_si512)
#define vec_ints_left(x, bits) _mm512_slli_epi32(x, bits)
#define vec_ints_right(x, bits) _mm512_srli_epi32(x, bits)
#define vec_ints_right_signed(x, bits) _mm512_srai_epi32(x, bits)

ALWAYS_INLINE vec vec_set(float x) {
    return _mm512_set1_ps(x);
}
ALWAYS_INLINE vec vec_zero(void) {
    return _mm512_setzero_ps();
}
ALWAYS_INLINE vec_ints vec_ints_set(int32_t x) {
    return _mm512_set1_epi32(x);
}
/* 0, 1, 2 .. */
ALWAYS_INLINE vec_ints vec_ints_count(void) {
    return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}
ALWAYS_INLINE vec_ints vec_bits(vec x) {
    return _mm512_castps_si512(x);
}
ALWAYS_INLINE vec vec_of_bits(vec_ints x) {
    return _mm512_castsi512_ps(x);
}
ALWAYS_INLINE vec vec_of_ints(vec_ints x) {
    return _mm512_cvtepi32_ps(x);
}
/* To the nearest, ties to even. */
ALWAYS_INLINE vec_ints vec_ints_of(vec x) {
    return _mm512_cvtps_epi32(x);
}
ALWAYS_INLINE vec vec_sqrt(vec x) {
    return _mm512_sqrt_ps(x);
}
/* x, for which the compiler finds a register here: it does not put the work off till x is used. */
ALWAYS_INLINE vec vec_stage(vec x) {
    IN_REGISTER(x);
    return x;
}
/* a b + c */
ALWAYS_INLINE vec vec_fma(vec a, vec b, vec c) {
    return _mm512_fmadd_ps(a, b, c);
}
/* a b - c */
ALWAYS_INLINE vec vec_fms(vec a, vec b, vec c) {
    return _mm512_fmsub_ps(a, b, c);
}
/* c - a b */
ALWAYS_INLINE vec vec_fnma(vec a, vec b, vec c) {
    return _mm512_fnmadd_ps(a, b, c);
}
/* lanes 1, 0, 3, 2 .. */
ALWAYS_INLINE vec vec_swap(vec x) {
    return _mm512_permute_ps(x, 0xb1);
}
/* magnitude of m, sign of x */
ALWAYS_INLINE vec vec_sign(vec m, vec x) {
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(
        _mm512_set1_epi32(INT32_MIN), _mm512_castps_si512(x), _mm512_castps_si512(m), 0xca));
}
/* 1 / x within 2^-14, for 1 <= x < inf */
ALWAYS_INLINE vec vec_recip_coarse(vec x) {
    return _mm512_rcp14_ps(x);
}
/* How far x is above the next whole number below; 0 of infinities. */
ALWAYS_INLINE vec vec_fraction(vec x) {
    return _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
/* p times 2 to that whole number, for 1/2 <= p < 2: infinity from 2^128 on, 0 or a denormal below 2^-126. */
ALWAYS_INLINE vec vec_scaled(vec p, vec x) {
    return _mm512_scalef_ps(p, x);
}

ALWAYS_INLINE vec_is vec_less(vec a, vec b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
ALWAYS_INLINE vec_is vec_less_equal(vec a, vec b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
ALWAYS_INLINE vec_is vec_equal(vec a, vec b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
ALWAYS_INLINE vec_is vec_is_nan(vec x) {
    return _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
}
ALWAYS_INLINE vec_is vec_ints_less(vec_ints a, vec_ints b) {
    return _mm512_cmplt_epi32_mask(a, b);
}
ALWAYS_INLINE vec_is vec_is_not(vec_is x) {
    return (vec_is)~x;
}
ALWAYS_INLINE bool vec_any(vec_is x) {
    return x != 0;
}
ALWAYS_INLINE vec vec_pick(vec_is is, vec yes, vec no) {
    return _mm512_mask_mov_ps(no, is, yes);
}
/* `yes` in the lanes that are there */
ALWAYS_INLINE vec vec_kept(vec_part part, vec yes, vec no) {
    return part.all ? yes : _mm512_mask_mov_ps(no, part.mask, yes);
}

/* Sums and the largest of the lanes, by one fixed tree. */
ALWAYS_INLINE float vec_sum(vec x) {
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
ALWAYS_INLINE float vec_largest(vec x) {
    return _mm512_reduce_max_ps(x);
}

/* ---- memory; lanes that are not there are 0 and not touched ---- */
ALWAYS_INLINE vec vec_load_f32(const float *p, vec_part part) {
    return part.all ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(part.mask, p);
}
ALWAYS_INLINE void vec_store_f32(float *p, vec_part part, vec x) {
    if (part.all)
        _mm512_storeu_ps(p, x);
    else
        _mm512_mask_storeu_ps(p, part.mask, x);
}
ALWAYS_INLINE vec_ints vec_load_ints(const int32_t *p, vec_part part) {
    return part.all ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi32(part.mask, p);
}
ALWAYS_INLINE void vec_store_ints(int32_t *p, vec_part part, vec_ints x) {
    if (part.all)
        _mm512_storeu_si512(p, x);
    else
        _mm512_mask_storeu_epi32(p, part.mask, x);
}
/* Sixteen whole numbers from -128 to 127. */
ALWAYS_INLINE void vec_store_bytes(int8_t *p, vec_ints x) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(x));
}
typedef __m256i vec_halves; /* sixteen times 16 bits */
ALWAYS_INLINE vec_halves vec_load_halves(const uint16_t *p, vec_part part) {
    return part.all ? _mm256_loadu_si256((const __m256i *)p)
                    : _mm256_maskz_loadu_epi16(part.mask, p);
}
ALWAYS_INLINE void vec_store_halves(uint16_t *p, vec_part part, vec_halves x) {
    if (part.all)
        _mm256_storeu_si256((__m256i *)p, x);
    else
        _mm256_mask_storeu_epi16(p, part.mask, x);
}
ALWAYS_INLINE vec vec_of_bf16(vec_halves x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}
/* 32 elements: the even ones, and the odd ones. */
ALWAYS_INLINE void vec_load_two_bf16(const uint16_t *p, vec *a, vec *b) {
    vec_ints both = _mm512_loadu_si512(p);
    *a = vec_of_bits(vec_ints_left(both, 16));
    *b = vec_of_bits(vec_ints_and(both, vec_ints_set((int32_t)0xffff0000)));
}
ALWAYS_INLINE vec vec_of_f16(vec_halves x) {
    return _mm512_cvtph_ps(x);
}
ALWAYS_INLINE vec_halves vec_to_f16(vec x) {
    return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
NOINLINE UNUSED static vec_halves vec_to_bf16_denormal(vec x) {
    __m512i u = _mm512_castps_si512(x), top = _mm512_srli_epi32(u, 16);
    __m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
    __m512i r = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    r = _mm512_mask_or_epi32(_mm512_srli_epi32(r, 16), nan, top, _mm512_set1_epi32(0x40));
    return _mm512_cvtepi32_epi16(r);
}
/* vcvtneps2bf16 takes denormals for zeros; all else it rounds as num/ does. */
enum { VEC_DENORMAL = 0x20 };
ALWAYS_INLINE vec_halves vec_to_bf16(vec x) {
    if (UNLIKELY(_mm512_fpclass_ps_mask(x, VEC_DENORMAL))) return vec_to_bf16_denormal(x);
    __m256bh half = _mm512_cvtneps_pbh(x);
    vec_halves bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}
ALWAYS_INLINE void vec_store_two_bf16(uint16_t *p, vec a, vec b) {
    __mmask16 low = _mm512_fpclass_ps_mask(a, VEC_DENORMAL);
    if (UNLIKELY(!_kortestz_mask16_u8(low, _mm512_fpclass_ps_mask(b, VEC_DENORMAL)))) {
        vec_store_halves(p, VEC_ALL, vec_to_bf16_denormal(a));
        vec_store_halves(p + 16, VEC_ALL, vec_to_bf16_denormal(b));
    } else {
        __m512bh both = _mm512_cvtne2ps_pbh(b, a);
        memcpy(p, &both, sizeof both);
    }
}
/* One cache line, past the caches. */
ALWAYS_INLINE void vec_store_line_past(void *to, const void *from) {
    _mm512_stream_si512(to, _mm512_loadu_si512(from));
}
ALWAYS_INLINE vec_ints vec_ints_of_halves(vec_halves x) {
    return _mm512_cvtepu16_epi32(x);
}
ALWAYS_INLINE vec_halves vec_halves_of_ints(vec_ints x) {
    return _mm512_cvtepi32_epi16(x);
}
/* Row i becomes column i. */
ALWAYS_INLINE void vec_transpose(vec_ints r[16]) {
    vec_ints t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 2; k++) {
            r[i + 2 * k] = _mm512_unpacklo_epi64(t[i + k], t[i + k + 2]);
            r[i + 2 * k + 1] = _mm512_unpackhi_epi64(t[i + k], t[i + k + 2]);
        }
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 2; k++) {
            t[i + 8 * k] = _mm512_shuffle_i32x4(r[i + 8 * k], r[i + 8 * k + 4], 0x88);
            t[i + 8 * k + 4] = _mm512_shuffle_i32x4(r[i + 8 * k], r[i + 8 * k + 4], 0xdd);
        }
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
}

#endif
