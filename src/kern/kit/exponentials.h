/* What softmax and cross-entropy do to a stretch of a row: its largest, the sum of e^(x - shift), writing
 * times * e^(x - shift). */
#ifndef KERN_KIT_EXPONENTIALS_H
#define KERN_KIT_EXPONENTIALS_H

#include "kern/kit/rows.h"

typedef struct exponentials {
    vec_format f;
    int degree;
    const void *x;
    vec shift, times, floor, scale, lift, *sum, *top;
} exponentials;

ALWAYS_INLINE void exponentials_top_step(const void *context, int k, int64_t i, vec_part part) {
    const exponentials *j = context;
    vec x = vec_kept(part, vec_load_some(j->f, j->x, i, part), vec_set(-INFINITY));
    j->top[k] = vec_max(x, j->top[k]);
}
/* -inf of nothing; passes over NaN. */
ALWAYS_INLINE float exponentials_largest(vec_format f, const void *x, int64_t from, int64_t to) {
    vec top[4];
    for (int k = 0; k < 4; k++) top[k] = vec_set(-INFINITY);
    const exponentials j = {.f = f, .x = x, .top = top};
    vec_gather(from, to, &j, exponentials_top_step);
    return vec_largest(vec_max(vec_max(top[0], top[1]), vec_max(top[2], top[3])));
}

/* Sums are of 2^(x scale + lift - 1/2), which is e^(x - shift) but for the rounding of lift: one addition less. The
 * scale is log2 e; of numbers so large that this could overflow, which are equal or far apart, any does. */
static inline float exponentials_scale(float shift) {
    return fabsf(shift) < 0x1p100f ? VEC_LOG2_E : 0x1p-60f;
}
static inline float exponentials_lift(float shift) {
    return 0.5f - shift * exponentials_scale(shift);
}
ALWAYS_INLINE int exponentials_degree(vec_format f) {
    return f == VEC_BF16 ? 4 : 6;
}
/* The sum of e^(x - shift): in units of what the same arithmetic makes of the shift, so that it is 1 of a row that is
 * nothing else. */
ALWAYS_INLINE float exponentials_total(vec_format f, float shift, const vec *sum) {
    vec scale = vec_set(exponentials_scale(shift)), lift = vec_set(exponentials_lift(shift));
    vec y = vec_fma(vec_set(shift), scale, lift);
    vec fraction = vec_fraction(y), one;
    vec_exp2s(1, &fraction, exponentials_degree(f), &one);
    return vec_sum4(sum) / vec_largest(vec_scaled(one, y));
}

/* Four vectors on their way: the powers that they are, and the fractions of those. */
typedef struct exponentials_four {
    vec y[4], fraction[4];
} exponentials_four;

/* Adds x; where there are registers for it, those that are held, and holds x: then neither waits for its own chain. */
ALWAYS_INLINE void exponentials_turn(const exponentials *j, exponentials_four *held, const vec *x) {
    const bool holds = VEC_TOGETHER == 4;
    exponentials_four now;
    vec z[4];
    for (int k = 0; k < 4; k++) {
        now.y[k] = vec_stage(vec_fma(x[k], j->scale, j->lift));
        if (!holds) {
            now.fraction[k] = vec_fraction(now.y[k]);
            vec_exp2s(1, &now.fraction[k], j->degree, &z[k]);
            j->sum[k] = vec_add(j->sum[k], vec_scaled(z[k], now.y[k]));
        }
    }
    if (!holds) return;
    vec_exp2s(4, held->fraction, j->degree, z);
    for (int k = 0; k < 4; k++) now.fraction[k] = vec_stage(vec_fraction(now.y[k]));
    for (int k = 0; k < 4; k++) j->sum[k] = vec_add(j->sum[k], vec_scaled(z[k], held->y[k]));
    *held = now;
}
/* Adds to `sum`, by a shift that is not infinite. What is 16 above the shift errs by 2^-20 and more. */
ALWAYS_INLINE void exponentials_add(vec_format f, const void *x, int64_t from, int64_t to,
                                    float shift, vec *sum) {
    enum { AHEAD_BYTES = 8192 };
    const exponentials j = {.degree = exponentials_degree(f),
                            .sum = sum,
                            .scale = vec_set(exponentials_scale(shift)),
                            .lift = vec_set(exponentials_lift(shift))};
    vec at[4], nothing[4];
    exponentials_four held;
    for (int k = 0; k < 4; k++) {
        nothing[k] = held.y[k] = vec_set(-INFINITY);
        held.fraction[k] = vec_zero();
    }
    int64_t i = from;
    for (; i + 4 * VEC <= to; i += 4 * VEC) {
        for (int b = 0; b < 4 * VEC * vec_bytes(f); b += CACHE_LINE)
            PREFETCH((const char *)x + i * vec_bytes(f) + AHEAD_BYTES + b);
        vec_load_four(f, x, i, at);
        exponentials_turn(&j, &held, at);
    }
    for (int k = 0; k < 4; k++) {
        vec_part part = vec_first(to - i - VEC * k);
        at[k] = vec_kept(part, vec_load_some(f, x, i + VEC * k, part), nothing[k]);
    }
    exponentials_turn(&j, &held, at);
    exponentials_turn(&j, &held, nothing);
}

/* At -87 and below 0, which the floor's power comes down to; from 88.4 on infinity, which 2^128 is. */
ALWAYS_INLINE vec exponentials_write_step(const void *context, int64_t i, vec_part part) {
    const exponentials *j = context;
    vec x = vec_sub(vec_load_some(j->f, j->x, i, part), j->shift);
    x = vec_min(vec_set(89), vec_max(vec_set(-87), x));
    vec_power e = vec_power_of(x, VEC_LOG2_E, j->degree);
    return vec_mul(vec_fms(e.p, e.two, j->floor), j->times);
}
ALWAYS_INLINE void exponentials_write(vec_format f, const void *x, void *y, int64_t from,
                                      int64_t to, float shift, float times) {
    exponentials j = {.f = f,
                      .degree = f == VEC_BF16 ? 3 : 6,
                      .x = x,
                      .shift = vec_set(shift),
                      .times = vec_set(times)};
    vec_power least = vec_power_of(vec_set(-87), VEC_LOG2_E, j.degree);
    j.floor = vec_mul(least.p, least.two);
    vec_map(f, y, from, to, &j, exponentials_write_step);
}

#endif
