/* y = act(acc + bias) + residual, 16 columns at a time, in f32; rounded once at the end.
 * exp: 2^n times a polynomial of degree 6 (Cephes); erfc: the rational fit of Numerical Recipes 6.2,
 * within 1.2e-7 of the value; tanh: a series below 0.3, through exp above. */
#include "kern/kit/matmul.h"
#include <immintrin.h>

typedef __m512 vec;

ALWAYS_INLINE vec all(float x) {
    return _mm512_set1_ps(x);
}

ALWAYS_INLINE vec step(vec sum, vec x, float c) {
    return _mm512_fmadd_ps(sum, x, all(c));
}

ALWAYS_INLINE vec absolute(vec x) {
    return _mm512_abs_ps(x);
}

ALWAYS_INLINE vec exp_of(vec x) {
    /* NaN in x must survive: it is the second operand of both. */
    x = _mm512_min_ps(all(128.0f), _mm512_max_ps(all(-150.0f), x));
    vec n = _mm512_roundscale_ps(_mm512_mul_ps(x, all(1.44269504f)), 8);
    vec r = _mm512_fnmadd_ps(n, all(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, all(-2.12194440e-4f), r);
    vec p = all(1.9875691500e-4f);
    p = step(p, r, 1.3981999507e-3f);
    p = step(p, r, 8.3334519073e-3f);
    p = step(p, r, 4.1665795894e-2f);
    p = step(p, r, 1.6666665459e-1f);
    p = step(p, r, 5.0000001201e-1f);
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, all(1)));
    return _mm512_scalef_ps(p, n);
}

ALWAYS_INLINE vec sigmoid_of(vec x) {
    vec e = exp_of(_mm512_sub_ps(all(0), x));
    return _mm512_div_ps(all(1), _mm512_add_ps(all(1), e));
}

ALWAYS_INLINE vec tanh_of(vec x) {
    vec z = absolute(x), s = _mm512_mul_ps(x, x);
    vec p = all(-1382.0f / 155925);
    p = step(p, s, 62.0f / 2835);
    p = step(p, s, -17.0f / 315);
    p = step(p, s, 2.0f / 15);
    p = step(p, s, -1.0f / 3);
    vec near = _mm512_fmadd_ps(_mm512_mul_ps(p, s), x, x);
    vec e = exp_of(_mm512_mul_ps(all(-2), z));
    vec far = _mm512_div_ps(_mm512_sub_ps(all(1), e), _mm512_add_ps(all(1), e));
    far = _mm512_or_ps(far, _mm512_and_ps(x, all(-0.0f)));
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(z, all(0.3f), _CMP_LT_OQ), far, near);
}

/* erfc(z) for z >= 0. */
ALWAYS_INLINE vec erfc_of(vec z) {
    vec t = _mm512_div_ps(all(1), _mm512_fmadd_ps(z, all(0.5f), all(1)));
    vec p = all(0.17087277f);
    p = step(p, t, -0.82215223f);
    p = step(p, t, 1.48851587f);
    p = step(p, t, -1.13520398f);
    p = step(p, t, 0.27886807f);
    p = step(p, t, -0.18628806f);
    p = step(p, t, 0.09678418f);
    p = step(p, t, 0.37409196f);
    p = step(p, t, 1.00002368f);
    p = step(p, t, -1.26551223f);
    return _mm512_mul_ps(t, exp_of(_mm512_fnmadd_ps(z, z, p)));
}

ALWAYS_INLINE vec gelu_of(vec x) {
    vec tail = _mm512_mul_ps(all(0.5f), erfc_of(_mm512_mul_ps(absolute(x), all(0.70710678f))));
    __mmask16 below = _mm512_cmp_ps_mask(x, all(0), _CMP_LT_OQ);
    return _mm512_mul_ps(x, _mm512_mask_blend_ps(below, _mm512_sub_ps(all(1), tail), tail));
}

ALWAYS_INLINE vec gelu_tanh_of(vec x) {
    vec cube = _mm512_mul_ps(_mm512_mul_ps(x, x), x);
    vec u = _mm512_mul_ps(all(0.79788456f), _mm512_fmadd_ps(all(0.044715f), cube, x));
    /* (1 + tanh u) / 2 is a sigmoid, without the cancellation */
    return _mm512_mul_ps(x, sigmoid_of(_mm512_add_ps(u, u)));
}

static vec act_of(int32_t act, vec x) {
    switch (act) {
    case ACT_RELU:
        return _mm512_max_ps(all(0), x);
    case ACT_RELU2: {
        vec r = _mm512_max_ps(all(0), x);
        return _mm512_mul_ps(r, r);
    }
    case ACT_SILU:
        return _mm512_mul_ps(x, sigmoid_of(x));
    case ACT_GELU:
        return gelu_of(x);
    case ACT_GELU_TANH:
        return gelu_tanh_of(x);
    case ACT_SIGMOID:
        return sigmoid_of(x);
    case ACT_TANH:
        return tanh_of(x);
    default:
        return x;
    }
}

ALWAYS_INLINE vec load(const char *p, bool bf16, int64_t at, __mmask16 m) {
    if (!bf16) return _mm512_maskz_loadu_ps(m, p + 4 * at);
    __m512i half = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, p + 2 * at));
    return (vec)_mm512_slli_epi32(half, 16);
}

/* To nearest, ties to even; NaN stays NaN. Unlike vcvtneps2bf16 it keeps denormals. */
ALWAYS_INLINE __m256i to_bf16(vec x) {
    __m512i w = (__m512i)x;
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(w, 16), _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(w, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    up = _mm512_mask_or_epi32(up, nan, w, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
}

ALWAYS_INLINE void store(const matmul_epilogue *e, int64_t at, __mmask16 m, vec x) {
    if (e->out_bf16)
        _mm256_mask_storeu_epi16(e->out + 2 * at, m, to_bf16(x));
    else
        _mm512_mask_storeu_ps(e->out + 4 * at, m, x);
}

static void finish_row(const matmul_epilogue *e, const float *acc, int64_t r, int64_t columns) {
    for (int64_t n = 0; n < columns; n += 16) {
        __mmask16 m = columns - n >= 16 ? 0xffff : (__mmask16)((1u << (columns - n)) - 1);
        vec x = _mm512_loadu_ps(acc + n);
        if (e->row) {
            __m512i sum = _mm512_sub_epi32((__m512i)x, _mm512_set1_epi32(e->row[r].sum128));
            vec scale = _mm512_maskz_loadu_ps(m, e->scale + n);
            x = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(scale, all(e->row[r].scale)));
        }
        if (e->bias) x = _mm512_add_ps(x, load(e->bias, e->bias_bf16, n, m));
        if (e->act) x = act_of(e->act, x);
        int64_t at = r * e->stride + n;
        if (e->rest) x = _mm512_add_ps(x, load(e->rest, e->rest_bf16, at, m));
        store(e, at, m, x);
    }
}

void matmul_finish(const matmul_epilogue *e, const float *acc, int64_t rows, int64_t columns) {
    bool bare = columns == PANEL && !e->row && !e->bias && !e->act && !e->rest;
    for (int64_t r = 0; r < rows; r++, acc += PANEL) {
        if (bare)
            for (int64_t n = 0; n < PANEL; n += 16)
                store(e, r * e->stride + n, 0xffff, _mm512_loadu_ps(acc + n));
        else
            finish_row(e, acc, r, columns);
    }
}
