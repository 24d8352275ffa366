/* What softmax and cross-entropy do to a stretch of a row: its largest, the sum of e^(x - shift), writing
 * times * e^(x - shift). */
#ifndef KERN_KIT_EXPONENTIALS_H
#define KERN_KIT_EXPONENTIALS_H

#include "kern/kit/rows.h"

typedef struct exponentials {
    vec_format f;
    int degree;
    const void *x;
    vec shift, times, floor, *sum, *top;
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

/* Four vectors, of which the parts are there. Far below the shift the power errs by more, but is small; 87 below it
 * stays what it is there. */
ALWAYS_INLINE void exponentials_add_four(const exponentials *j, const vec *x,
                                         const vec_part *part) {
    vec y[4];
    vec_power e[4];
    for (int k = 0; k < 4; k++)
        j->top[k] = vec_max(vec_kept(part[k], x[k], vec_set(-INFINITY)), j->top[k]);
    for (int k = 0; k < 4; k++) y[k] = vec_stage(vec_sub(x[k], j->shift));
    for (int k = 0; k < 4; k++) y[k] = vec_stage(vec_max(vec_set(-87), y[k]));
    for (int k = 0; k < 4; k += VEC_TOGETHER)
        vec_powers(VEC_TOGETHER, y + k, VEC_LOG2_E, j->degree, e + k);
    for (int k = 0; k < 4; k++)
        j->sum[k] = vec_fma(e[k].p, vec_kept(part[k], e[k].two, vec_zero()), j->sum[k]);
}
/* Adds to `sum`, and returns the largest x, as above. */
ALWAYS_INLINE float exponentials_add(vec_format f, const void *x, int64_t from, int64_t to,
                                     float shift, vec *sum) {
    enum { AHEAD_BYTES = 4096 };
    vec top[4], at[4];
    vec_part part[4] = {VEC_ALL, VEC_ALL, VEC_ALL, VEC_ALL};
    for (int k = 0; k < 4; k++) top[k] = vec_set(-INFINITY);
    const exponentials j = {
        .degree = f == VEC_BF16 ? 4 : 6, .shift = vec_set(shift), .sum = sum, .top = top};
    int64_t i = from;
    for (; i + 4 * VEC <= to; i += 4 * VEC) {
        for (int b = 0; b < 4 * VEC * vec_bytes(f); b += CACHE_LINE)
            PREFETCH((const char *)x + i * vec_bytes(f) + AHEAD_BYTES + b);
        vec_load_four(f, x, i, at);
        exponentials_add_four(&j, at, part);
    }
    if (i < to) {
        for (int k = 0; k < 4; k++) {
            part[k] = vec_first(to - i - VEC * k);
            at[k] = vec_load_some(f, x, i + VEC * k, part[k]);
        }
        exponentials_add_four(&j, at, part);
    }
    return vec_largest(vec_max(vec_max(top[0], top[1]), vec_max(top[2], top[3])));
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
