/* Sixteen floats at a time, in the widest form that the including folder's flags allow: loading and storing any plain
 * float format, and the functions that the row-wise kernels share, once for all instruction sets. Errors, in units of
 * the last place of f32, over all finite arguments: exp 1.3, log 1.2, tanh 1.7, erf 1.1, sigmoid 2.5; where `coarse` is
 * asked for, because the result is rounded to bf16, 2^-13 of the value. NaN gives NaN; infinities and zero give what C
 * says. Storing rounds as num/ does, bit for bit. */
#ifndef KERN_KIT_VEC_H
#define KERN_KIT_VEC_H

#include "graph/op.h"
#include "num/kit/half.h"
#include <math.h>
#ifdef __AVX512F__
#include "kern/kit/vec_avx512.h"
#else
#include "kern/kit/vec_avx2.h"
#endif

enum { VEC = 16 };

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

/* ---- elements i.. of data in format f ---- */
ALWAYS_INLINE vec vec_load_some(vec_format f, const void *data, int64_t i, vec_part part) {
    if (f == VEC_F32) return vec_load_f32((const float *)data + i, part);
    vec_halves h = vec_load_halves((const uint16_t *)data + i, part);
    return f == VEC_F16 ? vec_of_f16(h) : vec_of_bf16(h);
}
ALWAYS_INLINE vec vec_load(vec_format f, const void *data, int64_t i) {
    return vec_load_some(f, data, i, VEC_ALL);
}
/* Asks for the lines of some vectors from element i on, which need not exist. */
ALWAYS_INLINE void vec_ask(vec_format f, const void *data, int64_t i, int vectors) {
    for (int64_t b = 0; b < vectors * VEC * vec_bytes(f); b += CACHE_LINE)
        PREFETCH((const char *)data + i * vec_bytes(f) + b);
}
/* Elements i .. i + 63, those of a pair of vectors in any order. */
ALWAYS_INLINE void vec_load_four(vec_format f, const void *data, int64_t i, vec x[4]) {
    for (int k = 0; k < 4; k += 2)
        if (f == VEC_BF16) {
            vec_load_two_bf16((const uint16_t *)data + i + VEC * k, &x[k], &x[k + 1]);
        } else {
            x[k] = vec_load(f, data, i + VEC * k);
            x[k + 1] = vec_load(f, data, i + VEC * (k + 1));
        }
}
ALWAYS_INLINE void vec_store_some(vec_format f, void *data, int64_t i, vec_part part, vec x) {
    if (f == VEC_F32)
        vec_store_f32((float *)data + i, part, x);
    else
        vec_store_halves((uint16_t *)data + i, part,
                         f == VEC_BF16 ? vec_to_bf16(x) : vec_to_f16(x));
}
ALWAYS_INLINE void vec_store(vec_format f, void *data, int64_t i, vec x) {
    vec_store_some(f, data, i, VEC_ALL, x);
}
/* Elements i .. i + 31. */
ALWAYS_INLINE void vec_store_two(vec_format f, void *data, int64_t i, vec a, vec b) {
    if (f == VEC_BF16) {
        vec_store_two_bf16((uint16_t *)data + i, a, b);
    } else {
        vec_store(f, data, i, a);
        vec_store(f, data, i + VEC, b);
    }
}
/* The same, past the caches where `past`: onto whole cache lines then, and vec_past_end before anyone reads. */
ALWAYS_INLINE void vec_store_two_to(vec_format f, void *data, int64_t i, vec a, vec b, bool past) {
    if (past) {
        char two[2 * VEC * sizeof(float)];
        vec_store_two(f, two, 0, a, b);
        for (int64_t at = 0; at < 2 * VEC * vec_bytes(f); at += CACHE_LINE)
            vec_store_line_past((char *)data + i * vec_bytes(f) + at, two + at);
    } else {
        vec_store_two(f, data, i, a, b);
    }
}
ALWAYS_INLINE void vec_past_end(void) {
    _mm_sfence();
}
static inline float vec_number(vec_format f, const void *data, int64_t i) {
    if (f == VEC_F32) return ((const float *)data)[i];
    uint16_t h = ((const uint16_t *)data)[i];
    return f == VEC_BF16 ? half_from_bf16(h) : half_from_f16(h);
}
static inline void vec_put(vec_format f, void *data, int64_t i, float x) {
    if (f == VEC_F32)
        ((float *)data)[i] = x;
    else
        ((uint16_t *)data)[i] = f == VEC_BF16 ? half_to_bf16(x) : half_to_f16(x);
}

/* ---- loops: the body sees every place of [from, to) once, in ascending order ---- */
typedef void vec_body(const void *context, int64_t i, vec_part part);
ALWAYS_INLINE void vec_each(int64_t from, int64_t to, const void *context, vec_body *body) {
    int64_t i = from;
    for (; i + 2 * VEC <= to; i += 2 * VEC) {
        body(context, i, VEC_ALL);
        body(context, i + VEC, VEC_ALL);
    }
    for (; i < to; i += VEC) body(context, i, vec_first(to - i));
}
/* y[i] = what the body gives for i, in format f; two vectors are there before both are stored, past the caches where
 * `past` (vec_store_two_to). */
typedef vec vec_map_body(const void *context, int64_t i, vec_part part);
ALWAYS_INLINE void vec_map_to(vec_format f, void *y, int64_t from, int64_t to, const void *context,
                              vec_map_body *body, bool past) {
    int64_t i = from;
    for (; i + 2 * VEC <= to; i += 2 * VEC) {
        vec a = body(context, i, VEC_ALL), b = body(context, i + VEC, VEC_ALL);
        vec_store_two_to(f, y, i, a, b, past);
    }
    for (; i < to; i += VEC) {
        vec_part part = vec_first(to - i);
        vec_store_some(f, y, i, part, body(context, i, part));
    }
}
ALWAYS_INLINE void vec_map(vec_format f, void *y, int64_t from, int64_t to, const void *context,
                           vec_map_body *body) {
    vec_map_to(f, y, from, to, context, body, false);
}
/* The same for what gathers: k in 0..3 tells accumulators apart, so that one addition need not wait for the last. */
typedef void vec_gather_body(const void *context, int k, int64_t i, vec_part part);
ALWAYS_INLINE void vec_gather(int64_t from, int64_t to, const void *context,
                              vec_gather_body *body) {
    int64_t i = from;
    for (; i + 4 * VEC <= to; i += 4 * VEC)
        for (int k = 0; k < 4; k++) body(context, k, i + VEC * k, VEC_ALL);
    for (int k = 0; k < 4; k++)
        if (i + VEC * k < to) body(context, k, i + VEC * k, vec_first(to - i - VEC * k));
}
ALWAYS_INLINE float vec_sum4(const vec *x) {
    return vec_sum(vec_add(vec_add(x[0], x[1]), vec_add(x[2], x[3])));
}

/* ---- functions ---- */
ALWAYS_INLINE vec vec_abs(vec x) {
    return vec_of_bits(vec_ints_and(vec_bits(x), vec_ints_set(INT32_MAX)));
}
ALWAYS_INLINE vec vec_neg(vec x) {
    return vec_xor(x, vec_set(-0.0f));
}
/* NaN if any lane is. */
ALWAYS_INLINE float vec_largest_or_nan(vec x) {
    return vec_any(vec_is_nan(x)) ? NAN : vec_largest(x);
}
ALWAYS_INLINE vec vec_polynomial(vec x, int degree, const float *c) {
    vec p = vec_set(c[degree]);
    for (int k = degree - 1; k >= 0; k--) p = vec_fma(p, x, vec_set(c[k]));
    return p;
}

/* 2^(x * base), which must be a normal number, in two factors: 2^n, n the nearest whole number, and a polynomial that
 * is exact in 0 and errs by 2^-25.9 (degree 6), 2^-18.4 (4) or 2^-13.2 (3). They are to be multiplied: adding to the
 * exponent instead would make numbers of some NaN. Several x go through it step by step together: one after the other
 * their chains would fill a core's scheduler with work that waits, at three quarters of the rate. */
typedef struct vec_power {
    vec p, two;
} vec_power;
/* `count` of them, VEC_TOGETHER at most, which is as many as the registers hold. */
ALWAYS_INLINE void vec_powers(int count, const vec *x, float base, int degree, vec_power *out) {
    static const float p3[] = {1, 0x1.62f5fcp-1f, 0x1.f00c4ep-3f, 0x1.c2a1f4p-5f};
    static const float p4[] = {1, 0x1.62e12cp-1f, 0x1.ec0378p-3f, 0x1.c9fc46p-5f, 0x1.3a02b8p-7f};
    static const float p6[] = {1,
                               0x1.62e430p-1f,
                               0x1.ebfbdap-3f,
                               0x1.c6aed4p-5f,
                               0x1.3b2dbcp-7f,
                               0x1.5f456ap-10f,
                               0x1.41d332p-13f};
    const float *c = degree == 3 ? p3 : degree == 4 ? p4 : p6;
    const vec magic =
        vec_set(0x1.8p23f + 127); /* an ulp of it is 1; its last bits are the exponent of 1 */
    vec t[VEC_TOGETHER], f[VEC_TOGETHER], p[VEC_TOGETHER];
    for (int k = 0; k < count; k++) t[k] = vec_stage(vec_fma(x[k], vec_set(base), magic));
    for (int k = 0; k < count; k++) f[k] = vec_stage(vec_sub(t[k], magic));
    for (int k = 0; k < count; k++) f[k] = vec_stage(vec_fms(x[k], vec_set(base), f[k]));
    for (int k = 0; k < count; k++)
        p[k] = vec_stage(vec_fma(vec_set(c[degree]), f[k], vec_set(c[degree - 1])));
    for (int k = 0; k < count; k++)
        out[k].two = vec_stage(vec_of_bits(vec_ints_left(vec_bits(t[k]), 23)));
    for (int d = degree - 2; d >= 0; d--)
        for (int k = 0; k < count; k++) p[k] = vec_stage(vec_fma(p[k], f[k], vec_set(c[d])));
    for (int k = 0; k < count; k++) out[k].p = p[k];
}
ALWAYS_INLINE vec_power vec_power_of(vec x, float base, int degree) {
    vec_power one;
    vec_powers(1, &x, base, degree, &one);
    return one;
}
#define VEC_LOG2_E 0x1.715476p+0f

/* 2^(f - 1/2) for 0 <= f < 1, exact where f is 1/2; errs by 2^-18.4 (degree 4) or 2^-23.1 (6). With vec_fraction(x) as
 * f, vec_scaled(this, x) is 2^(x - 1/2) of any x: in AVX-512 a third less work than vec_powers, and most of what is
 * left out does not multiply. `count` as there. */
ALWAYS_INLINE void vec_exp2s(int count, const vec *f, int degree, vec *out) {
    static const float c4[] = {0x1.6a0a2ap-1f, 0x1.f5c838p-2f, 0x1.5db520p-3f, 0x1.2cfaeap-5f,
                               0x1.3a02b8p-7f};
    static const float c6[] = {0x1.6a09e6p-1f, 0x1.f5e45ap-2f,  0x1.5be3d4p-3f, 0x1.4164d2p-5f,
                               0x1.c086d6p-8f, 0x1.cd2c6ep-11f, 0x1.41d332p-13f};
    const float *c = degree == 4 ? c4 : c6;
    vec p[VEC_TOGETHER];
    for (int k = 0; k < count; k++)
        p[k] = vec_stage(vec_fma(vec_set(c[degree]), f[k], vec_set(c[degree - 1])));
    for (int d = degree - 2; d >= 0; d--)
        for (int k = 0; k < count; k++) p[k] = vec_stage(vec_fma(p[k], f[k], vec_set(c[d])));
    for (int k = 0; k < count; k++) out[k] = p[k];
}

/* x = n log 2 + r, |r| <= log 2 / 2; e^r by a polynomial, times 2^n in two steps, which reach the denormals. */
ALWAYS_INLINE vec vec_exp(vec x) {
    static const float c[] = {
        1, 1, 0x1.fffff8p-2f, 0x1.55548ep-3f, 0x1.555b98p-5f, 0x1.123bccp-7f, 0x1.6850e4p-10f};
    const vec magic = vec_set(0x1.8p23f);
    x = vec_min(vec_set(90), vec_max(vec_set(-110), x));
    vec t = vec_fma(x, vec_set(0x1.715476p+0f), magic), n = vec_sub(t, magic);
    vec r = vec_fnma(n, vec_set(0x1.62e400p-1f), x);
    r = vec_fnma(n, vec_set(0x1.7f7d1cp-20f), r);
    vec_ints whole = vec_ints_sub(vec_bits(t), vec_bits(magic));
    vec_ints half = vec_ints_right_signed(whole, 1), rest = vec_ints_sub(whole, half);
    vec_ints one = vec_bits(vec_set(1));
    vec p =
        vec_mul(vec_polynomial(r, 6, c), vec_of_bits(vec_ints_add(vec_ints_left(half, 23), one)));
    return vec_mul(p, vec_of_bits(vec_ints_add(vec_ints_left(rest, 23), one)));
}

/* x = 2^e m with m in [sqrt 1/2, sqrt 2); log m by the polynomial of Cephes' logf. */
ALWAYS_INLINE vec vec_log(vec x) {
    static const float c[] = {3.3333331174e-1f,  -2.4999993993e-1f, 2.0000714765e-1f,
                              -1.6668057665e-1f, 1.4249322787e-1f,  -1.2420140846e-1f,
                              1.1676998740e-1f,  -1.1514610310e-1f, 7.0376836292e-2f};
    const vec_ints root = vec_bits(vec_set(0x1.6a09e6p-1f));
    vec_is small = vec_less(x, vec_set(0x1p-126f));
    vec u = vec_pick(small, vec_mul(x, vec_set(0x1p23f)), x);
    vec_ints over = vec_ints_right_signed(vec_ints_sub(vec_bits(u), root), 23);
    vec e = vec_sub(vec_of_ints(over), vec_pick(small, vec_set(23), vec_zero()));
    vec m = vec_of_bits(vec_ints_sub(vec_bits(u), vec_ints_left(over, 23)));
    vec f = vec_sub(m, vec_set(1)), z = vec_mul(f, f);
    vec y = vec_mul(vec_mul(vec_polynomial(f, 8, c), f), z);
    y = vec_fma(e, vec_set(-2.12194440e-4f), y);
    y = vec_fma(z, vec_set(-0.5f), y);
    y = vec_fma(e, vec_set(0.693359375f), vec_add(f, y));
    y = vec_pick(vec_equal(x, vec_zero()), vec_set(-INFINITY), y);
    y = vec_pick(vec_less(x, vec_zero()), vec_set(NAN), y);
    return vec_pick(vec_less(x, vec_set(INFINITY)), y, x); /* infinity and NaN stay */
}

/* 1 / x for 1 <= x < inf, in a quarter of the time of a division. */
ALWAYS_INLINE vec vec_recip(vec x) {
    vec r = vec_recip_coarse(x);
    return vec_fma(r, vec_fnma(x, r, vec_set(1)), r);
}
/* From x >= -87 on; below, as there. */
ALWAYS_INLINE vec vec_sigmoid(vec x, bool coarse) {
    x = vec_max(vec_set(-87), x);
    if (!coarse) return vec_recip(vec_add(vec_set(1), vec_exp(vec_neg(x))));
    vec_power e = vec_power_of(vec_min(vec_set(87), x), -VEC_LOG2_E, 3);
    return vec_recip_coarse(vec_fma(e.p, e.two, vec_set(1)));
}

/* Near 0 the polynomial of Cephes' tanhf, beyond 1 - 2 / (e^2|x| + 1). */
ALWAYS_INLINE vec vec_tanh(vec x, bool coarse) {
    static const float c[] = {-3.33332819422e-1f, 1.33314422036e-1f, -5.37397155531e-2f,
                              2.06390887954e-2f, -5.70498872745e-3f};
    vec a = vec_abs(x), z = vec_mul(x, x);
    vec near = vec_fma(vec_mul(vec_polynomial(z, 4, c), z), x, x);
    vec away = vec_min(vec_set(40), a);
    away = vec_add(away, away);
    vec_power e = vec_power_of(away, VEC_LOG2_E, 4);
    vec u = coarse ? vec_fma(e.p, e.two, vec_set(1)) : vec_add(vec_exp(away), vec_set(1));
    vec far = vec_fnma(vec_set(2), vec_recip(u), vec_set(1));
    return vec_pick(vec_less(a, vec_set(0.625f)), near, vec_sign(far, x));
}

/* Near 0 an odd polynomial, beyond 1 - e^-q(|x|) (the split and polynomials of N. Juffa's erff). */
ALWAYS_INLINE vec vec_erf(vec x, bool coarse) {
    static const float odd[] = {1.28379166e-1f,  -3.76125336e-1f, 1.12819925e-1f,
                                -2.67681349e-2f, 4.99119423e-3f,  -5.96761703e-4f};
    vec t = vec_abs(x), s = vec_mul(x, x);
    vec r = vec_fma(vec_set(-1.72853470e-5f), t, vec_set(3.83197126e-4f));
    vec u = vec_fma(vec_set(-3.88396438e-3f), t, vec_set(2.42546219e-2f));
    r = vec_fma(r, s, u);
    r = vec_fma(r, t, vec_set(-1.06777877e-1f));
    r = vec_fma(r, t, vec_set(-6.34846687e-1f));
    r = vec_fma(r, t, vec_set(-1.28717512e-1f));
    r = vec_fms(r, t, t);
    r = vec_pick(vec_less(vec_set(4), t), vec_set(-87), r); /* 1 - erf 4 < 2^-25 */
    vec_power e = vec_power_of(r, VEC_LOG2_E, 4);
    vec near = vec_fma(vec_polynomial(s, 5, odd), x, x);
    vec far = coarse ? vec_fnma(e.p, e.two, vec_set(1)) : vec_sub(vec_set(1), vec_exp(r));
    far = vec_sign(far, x);
    return vec_pick(vec_less_equal(t, vec_set(0.927734375f)), near, far);
}

/* ---- activations: y(x), as ops/unary.h has them; the floors keep -inf from making -inf * 0 ---- */
ALWAYS_INLINE vec vec_silu(vec x, bool coarse) {
    x = vec_max(vec_set(-87), x);
    return vec_mul(x, vec_sigmoid(x, coarse));
}
ALWAYS_INLINE vec vec_relu(vec x) {
    return vec_max(vec_zero(), x);
}
ALWAYS_INLINE vec vec_relu2(vec x) {
    vec y = vec_relu(x);
    return vec_mul(y, y);
}
ALWAYS_INLINE vec vec_gelu(vec x, bool coarse) {
    x = vec_max(vec_set(-87), x);
    vec e = vec_erf(vec_mul(x, vec_set(0x1.6a09e6p-1f)), coarse), half = vec_mul(x, vec_set(0.5f));
    return vec_fma(half, e, half);
}
ALWAYS_INLINE vec vec_gelu_tanh(vec x, bool coarse) {
    x = vec_max(vec_set(-87), x);
    const vec c = vec_set(0x1.988454p-1f), a = vec_set(0.044715f * 0x1.988454p-1f);
    vec inner = vec_mul(x, vec_fma(vec_mul(x, x), a, c)), half = vec_mul(x, vec_set(0.5f));
    return vec_fma(half, vec_tanh(inner, coarse), half);
}

/* ---- their slopes; what is far outside has the slope of the bound that it is taken to ---- */
/* sigmoid(z) and its own slope, both to the same relative error. */
typedef struct vec_bend {
    vec s, slope;
} vec_bend;
ALWAYS_INLINE vec_bend vec_bend_of(vec z, bool coarse) {
    vec far = vec_min(vec_set(87), vec_abs(z));
    vec_power p = vec_power_of(far, -VEC_LOG2_E, 3);
    vec e = coarse ? vec_mul(p.p, p.two) : vec_exp(vec_neg(far));
    vec u = vec_add(e, vec_set(1)), r = coarse ? vec_recip_coarse(u) : vec_recip(u);
    vec low = vec_mul(e, r);
    return (vec_bend){vec_pick(vec_less(z, vec_zero()), low, r), vec_mul(low, r)};
}
ALWAYS_INLINE vec vec_silu_slope(vec x, bool coarse) {
    x = vec_min(vec_set(87), vec_max(vec_set(-87), x));
    vec_bend b = vec_bend_of(x, coarse);
    return vec_fma(x, b.slope, b.s);
}
/* As x sigmoid(2 inner(x)). */
ALWAYS_INLINE vec vec_gelu_tanh_slope(vec x, bool coarse) {
    x = vec_min(vec_set(16), vec_max(vec_set(-16), x));
    const vec c = vec_set(2 * 0x1.988454p-1f), a = vec_set(2 * 0.044715f * 0x1.988454p-1f);
    vec square = vec_mul(x, x);
    vec_bend b = vec_bend_of(vec_mul(x, vec_fma(square, a, c)), coarse);
    vec inner = vec_mul(x, vec_fma(square, vec_mul(vec_set(3), a), c));
    return vec_fma(inner, b.slope, b.s);
}
ALWAYS_INLINE vec vec_gelu_slope(vec x, bool coarse) {
    x = vec_min(vec_set(16), vec_max(vec_set(-16), x));
    vec p =
        vec_fma(vec_erf(vec_mul(x, vec_set(0x1.6a09e6p-1f)), coarse), vec_set(0.5f), vec_set(0.5f));
    vec bell = vec_exp(vec_mul(vec_mul(x, x), vec_set(-0.5f)));
    return vec_fma(vec_mul(x, bell), vec_set(0x1.988454p-2f), p);
}

#endif
