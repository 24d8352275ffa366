/* Sixteen floats at a time: loading and storing any plain float format, and the functions that the memory-bound
 * kernels share. Errors, in units of the last place of f32, over all finite arguments: exp 1.1, log 1.2, tanh 1.7,
 * erf 1.1, sigmoid 2.2. NaN gives NaN; infinities and zero give what C says. Storing rounds as num/ does, bit for
 * bit. Sums over 16 lanes are one fixed tree. */
#ifndef KERN_KIT_VEC_AVX512_H
#define KERN_KIT_VEC_AVX512_H

#include "graph/op.h"
#include <immintrin.h>
#include <math.h>

typedef enum vec_format { VEC_NONE, VEC_F32, VEC_BF16, VEC_F16 } vec_format;

/* VEC_NONE for any other format. Every step asks this, so it looks at no more than the name's first letter. */
static inline vec_format vec_format_of(const num_format *f) {
    if (f->kind != NUM_FLOAT) return VEC_NONE;
    if (f->block_bytes == 4) return VEC_F32;
    return f->block_bytes != 2 ? VEC_NONE : f->name[0] == 'b' ? VEC_BF16 : VEC_F16;
}
ALWAYS_INLINE int64_t vec_bytes(vec_format f) {
    return f == VEC_F32 ? 4 : 2;
}

/* Element i of data in format f, as floats; lanes outside `keep` are 0 and not touched. */
ALWAYS_INLINE __m512 vec_load_some(vec_format f, const void *data, int64_t i, __mmask16 keep) {
    if (f == VEC_F32) return _mm512_maskz_loadu_ps(keep, (const float *)data + i);
    __m256i h = _mm256_maskz_loadu_epi16(keep, (const uint16_t *)data + i);
    if (f == VEC_F16) return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
ALWAYS_INLINE __m512 vec_load(vec_format f, const void *data, int64_t i) {
    if (f == VEC_F32) return _mm512_loadu_ps((const float *)data + i);
    __m256i h = _mm256_loadu_si256((const __m256i *)((const uint16_t *)data + i));
    if (f == VEC_F16) return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
/* vcvtneps2bf16 would lose denormals. */
ALWAYS_INLINE __m256i vec_to_bf16(__m512 x) {
    __m512i u = _mm512_castps_si512(x), top = _mm512_srli_epi32(u, 16);
    __m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
    __m512i r = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    r = _mm512_mask_or_epi32(_mm512_srli_epi32(r, 16), nan, top, _mm512_set1_epi32(0x40));
    return _mm512_cvtepi32_epi16(r);
}
ALWAYS_INLINE __m256i vec_to_half(vec_format f, __m512 x) {
    return f == VEC_BF16 ? vec_to_bf16(x)
                         : _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
ALWAYS_INLINE void vec_store_some(vec_format f, void *data, int64_t i, __mmask16 keep, __m512 x) {
    if (f == VEC_F32)
        _mm512_mask_storeu_ps((float *)data + i, keep, x);
    else
        _mm256_mask_storeu_epi16((uint16_t *)data + i, keep, vec_to_half(f, x));
}
ALWAYS_INLINE void vec_store(vec_format f, void *data, int64_t i, __m512 x) {
    if (f == VEC_F32)
        _mm512_storeu_ps((float *)data + i, x);
    else
        _mm256_storeu_si256((__m256i *)((uint16_t *)data + i), vec_to_half(f, x));
}
/* The first `count` lanes, all of them from 16 on. */
ALWAYS_INLINE __mmask16 vec_mask(int64_t count) {
    return count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1);
}

ALWAYS_INLINE float vec_sum(__m512 x) {
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
/* NaN if any lane is. */
ALWAYS_INLINE float vec_max(__m512 x) {
    return _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q) ? 0.0f / 0.0f : _mm512_reduce_max_ps(x);
}

ALWAYS_INLINE __m512 vec_set(float x) {
    return _mm512_set1_ps(x);
}
ALWAYS_INLINE __m512 vec_abs(__m512 x) {
    return _mm512_abs_ps(x);
}
/* magnitude of m, sign of x */
ALWAYS_INLINE __m512 vec_sign(__m512 m, __m512 x) {
    const __m512i bit = _mm512_set1_epi32(INT32_MIN);
    return _mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(bit, _mm512_castps_si512(x), _mm512_castps_si512(m), 0xca));
}

/* x = n log 2 + r, |r| <= log 2 / 2; e^r by a polynomial, times 2^n. */
ALWAYS_INLINE __m512 vec_exp(__m512 x) {
    x = _mm512_min_ps(vec_set(90), _mm512_max_ps(vec_set(-110), x));
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, vec_set(0x1.715476p+0f)), 8);
    __m512 r = _mm512_fnmadd_ps(n, vec_set(0x1.62e400p-1f), x);
    r = _mm512_fnmadd_ps(n, vec_set(0x1.7f7d1cp-20f), r);
    __m512 p = vec_set(0x1.6850e4p-10f);
    p = _mm512_fmadd_ps(p, r, vec_set(0x1.123bccp-7f));
    p = _mm512_fmadd_ps(p, r, vec_set(0x1.555b98p-5f));
    p = _mm512_fmadd_ps(p, r, vec_set(0x1.55548ep-3f));
    p = _mm512_fmadd_ps(p, r, vec_set(0x1.fffff8p-2f));
    p = _mm512_fmadd_ps(p, r, vec_set(1));
    p = _mm512_fmadd_ps(p, r, vec_set(1));
    return _mm512_scalef_ps(p, n);
}

/* x = 2^e m with m in [sqrt 1/2, sqrt 2); log m by the polynomial of Cephes' logf. */
ALWAYS_INLINE __m512 vec_log(__m512 x) {
    __m512 e = _mm512_getexp_ps(x), m = _mm512_getmant_ps(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
    __mmask16 high = _mm512_cmp_ps_mask(m, vec_set(0x1.6a09e6p+0f), _CMP_GT_OQ);
    e = _mm512_mask_add_ps(e, high, e, vec_set(1));
    m = _mm512_mask_mul_ps(m, high, m, vec_set(0.5f));
    __m512 f = _mm512_sub_ps(m, vec_set(1)), z = _mm512_mul_ps(f, f);
    __m512 p = vec_set(7.0376836292e-2f);
    p = _mm512_fmadd_ps(p, f, vec_set(-1.1514610310e-1f));
    p = _mm512_fmadd_ps(p, f, vec_set(1.1676998740e-1f));
    p = _mm512_fmadd_ps(p, f, vec_set(-1.2420140846e-1f));
    p = _mm512_fmadd_ps(p, f, vec_set(1.4249322787e-1f));
    p = _mm512_fmadd_ps(p, f, vec_set(-1.6668057665e-1f));
    p = _mm512_fmadd_ps(p, f, vec_set(2.0000714765e-1f));
    p = _mm512_fmadd_ps(p, f, vec_set(-2.4999993993e-1f));
    p = _mm512_fmadd_ps(p, f, vec_set(3.3333331174e-1f));
    __m512 y = _mm512_mul_ps(_mm512_mul_ps(p, f), z);
    y = _mm512_fmadd_ps(e, vec_set(-2.12194440e-4f), y);
    y = _mm512_fmadd_ps(z, vec_set(-0.5f), y);
    y = _mm512_fmadd_ps(e, vec_set(0.693359375f), _mm512_add_ps(f, y));
    __mmask16 zero = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_EQ_OQ);
    __mmask16 below = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
    __mmask16 end = _mm512_cmp_ps_mask(x, vec_set(INFINITY), _CMP_EQ_OQ);
    y = _mm512_mask_mov_ps(y, zero, vec_set(-INFINITY));
    y = _mm512_mask_mov_ps(y, below, vec_set(NAN));
    return _mm512_mask_mov_ps(y, end, x);
}

/* 1 / x for 1 <= x < inf, in a quarter of the time of a division. */
ALWAYS_INLINE __m512 vec_recip(__m512 x) {
    __m512 r = _mm512_rcp14_ps(x);
    return _mm512_fmadd_ps(r, _mm512_fnmadd_ps(x, r, vec_set(1)), r);
}
ALWAYS_INLINE __m512 vec_sigmoid(__m512 x) {
    x = _mm512_max_ps(vec_set(-88), x);
    __m512 e = vec_exp(_mm512_sub_ps(_mm512_setzero_ps(), x));
    return vec_recip(_mm512_add_ps(vec_set(1), e));
}

/* Near 0 the polynomial of Cephes' tanhf, beyond 1 - 2 / (e^2|x| + 1). */
ALWAYS_INLINE __m512 vec_tanh(__m512 x) {
    __m512 a = vec_abs(x), z = _mm512_mul_ps(x, x), p = vec_set(-5.70498872745e-3f);
    p = _mm512_fmadd_ps(p, z, vec_set(2.06390887954e-2f));
    p = _mm512_fmadd_ps(p, z, vec_set(-5.37397155531e-2f));
    p = _mm512_fmadd_ps(p, z, vec_set(1.33314422036e-1f));
    p = _mm512_fmadd_ps(p, z, vec_set(-3.33332819422e-1f));
    p = _mm512_fmadd_ps(_mm512_mul_ps(p, z), x, x);
    __m512 near_one = _mm512_min_ps(vec_set(40), a);
    __m512 e = _mm512_add_ps(vec_exp(_mm512_add_ps(near_one, near_one)), vec_set(1));
    __m512 far = vec_sign(_mm512_fnmadd_ps(vec_set(2), vec_recip(e), vec_set(1)), x);
    __mmask16 near = _mm512_cmp_ps_mask(a, vec_set(0.625f), _CMP_LT_OQ);
    return _mm512_mask_mov_ps(far, near, p);
}

/* Near 0 an odd polynomial, beyond 1 - e^-q(|x|) (the split and polynomials of N. Juffa's erff). */
ALWAYS_INLINE __m512 vec_erf(__m512 x) {
    __m512 t = vec_abs(x), s = _mm512_mul_ps(x, x);
    __m512 r = _mm512_fmadd_ps(vec_set(-1.72853470e-5f), t, vec_set(3.83197126e-4f));
    __m512 u = _mm512_fmadd_ps(vec_set(-3.88396438e-3f), t, vec_set(2.42546219e-2f));
    r = _mm512_fmadd_ps(r, s, u);
    r = _mm512_fmadd_ps(r, t, vec_set(-1.06777877e-1f));
    r = _mm512_fmadd_ps(r, t, vec_set(-6.34846687e-1f));
    r = _mm512_fmadd_ps(r, t, vec_set(-1.28717512e-1f));
    r = _mm512_fmsub_ps(r, t, t);
    __mmask16 end = _mm512_cmp_ps_mask(t, vec_set(4), _CMP_GT_OQ); /* 1 - erf 4 < 2^-25 */
    r = _mm512_sub_ps(vec_set(1), vec_exp(_mm512_mask_mov_ps(r, end, vec_set(-100))));
    __m512 q = vec_set(-5.96761703e-4f);
    q = _mm512_fmadd_ps(q, s, vec_set(4.99119423e-3f));
    q = _mm512_fmadd_ps(q, s, vec_set(-2.67681349e-2f));
    q = _mm512_fmadd_ps(q, s, vec_set(1.12819925e-1f));
    q = _mm512_fmadd_ps(q, s, vec_set(-3.76125336e-1f));
    q = _mm512_fmadd_ps(q, s, vec_set(1.28379166e-1f));
    q = _mm512_fmadd_ps(q, x, x);
    __mmask16 near = _mm512_cmp_ps_mask(t, vec_set(0.927734375f), _CMP_LE_OQ);
    return _mm512_mask_mov_ps(vec_sign(r, x), near, q);
}

/* ---- activations: y(x), as ops/unary.h has them ---- */
ALWAYS_INLINE __m512 vec_silu(__m512 x) {
    /* the floor keeps -inf from making -inf * 0 */
    __m512 floor = _mm512_max_ps(vec_set(-200), x);
    return _mm512_mul_ps(floor, vec_sigmoid(x));
}
ALWAYS_INLINE __m512 vec_relu(__m512 x) {
    return _mm512_max_ps(_mm512_setzero_ps(), x); /* the second operand where either is NaN */
}
ALWAYS_INLINE __m512 vec_relu2(__m512 x) {
    __m512 y = vec_relu(x);
    return _mm512_mul_ps(y, y);
}
ALWAYS_INLINE __m512 vec_gelu(__m512 x) {
    x = _mm512_max_ps(vec_set(-200), x);
    __m512 e = vec_erf(_mm512_mul_ps(x, vec_set(0x1.6a09e6p-1f)));
    __m512 half = _mm512_mul_ps(x, vec_set(0.5f));
    return _mm512_fmadd_ps(half, e, half);
}
ALWAYS_INLINE __m512 vec_gelu_tanh(__m512 x) {
    x = _mm512_max_ps(vec_set(-200), x);
    const __m512 c = vec_set(0x1.988454p-1f), a = vec_set(0.044715f * 0x1.988454p-1f);
    __m512 inner = _mm512_mul_ps(x, _mm512_fmadd_ps(_mm512_mul_ps(x, x), a, c));
    __m512 half = _mm512_mul_ps(x, vec_set(0.5f));
    return _mm512_fmadd_ps(half, vec_tanh(inner), half);
}

#endif
