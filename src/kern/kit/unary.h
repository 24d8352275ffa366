/* Ops that treat every element of one operand alone. */
#ifndef KERN_KIT_UNARY_H
#define KERN_KIT_UNARY_H

#include "kern/kit/flat.h"
#include "ops/cast.h"
#include "ops/fill.h"
#include "ops/scale.h"
#include "ops/unary.h"

#define ELEMENT(id, expression)                                                                    \
    ALWAYS_INLINE vec at_##id(vec x, const void *params, bool coarse) {                            \
        (void)params;                                                                              \
        (void)coarse;                                                                              \
        return (expression);                                                                       \
    }                                                                                              \
    static void run_##id(const call *c, int64_t from, int64_t to, void *scratch) {                 \
        (void)scratch;                                                                             \
        flat_map_call(c, from, to, at_##id);                                                       \
    }

/* max(x, 0) + log(1 + e^-|x|); log1p(e) = e log(u) / (u - 1) with u = 1 + e, where u is not 1 */
ALWAYS_INLINE vec softplus(vec x) {
    vec e = vec_exp(vec_neg(vec_abs(x))), u = vec_add(vec_set(1), e), d = vec_sub(u, vec_set(1));
    vec l = vec_mul(vec_div(e, d), vec_log(u));
    l = vec_pick(vec_equal(d, vec_zero()), e, l);
    return vec_add(vec_max(vec_zero(), x), l);
}

ELEMENT(abs, vec_abs(x))
ELEMENT(erf, vec_erf(x, coarse))
ELEMENT(exp, vec_exp(x))
ELEMENT(gelu, vec_gelu(x, coarse))
ELEMENT(gelu_tanh, vec_gelu_tanh(x, coarse))
ELEMENT(log, vec_log(x))
ELEMENT(neg, vec_neg(x))
ELEMENT(recip, vec_div(vec_set(1), x))
ELEMENT(relu, vec_relu(x))
ELEMENT(relu2, vec_relu2(x))
ELEMENT(rsqrt, vec_div(vec_set(1), vec_sqrt(x)))
ELEMENT(sigmoid, vec_sigmoid(x, coarse))
ELEMENT(silu, vec_silu(x, coarse))
ELEMENT(softplus, softplus(x))
ELEMENT(sqrt, vec_sqrt(x))
ELEMENT(square, vec_mul(x, x))
ELEMENT(step, vec_pick(vec_less(vec_zero(), x), vec_set(1), vec_zero()))
ELEMENT(tanh, vec_tanh(x, coarse))

ALWAYS_INLINE vec at_scale(vec x, const void *params, bool coarse) {
    const scale_params *p = params;
    (void)coarse;
    return vec_fma(x, vec_set((float)p->mul), vec_set((float)p->add));
}
static void run_scale(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    flat_map_call(c, from, to, at_scale);
}

ALWAYS_INLINE vec at_cast(vec x, const void *params, bool coarse) {
    (void)params;
    (void)coarse;
    return x;
}
static void run_cast(const call *c, int64_t from, int64_t to, void *scratch) {
    vec_format fx = vec_format_of(c->in[0].format), fy = vec_format_of(c->out[0].format);
    (void)scratch;
    flat_range(&c->out[0], &from, &to);
    if (fx == VEC_F32 && fy == VEC_BF16)
        flat_map(VEC_F32, VEC_BF16, c, from, to, at_cast);
    else if (fx == VEC_BF16 && fy == VEC_F32)
        flat_map(VEC_BF16, VEC_F32, c, from, to, at_cast);
    else
        flat_map(fx, fy, c, from, to, at_cast);
}

ALWAYS_INLINE vec fill_step(const void *context, int64_t i, vec_part part) {
    (void)i;
    (void)part;
    return vec_set((float)((const fill_params *)context)->number);
}
static void run_fill(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    flat_range(&c->out[0], &from, &to);
    vec_map(vec_format_of(c->out[0].format), c->out[0].data, from, to, c->params, fill_step);
}

#define KERNEL(id, most_error)                                                                     \
    &(const kernel_def) {                                                                          \
        VEC_KERNEL(id), .supports = flat_supports, .units = flat_units, .run = run_##id,           \
                        .tolerance = (most_error)                                                  \
    }

const kernel_def *const VEC_NAME(unary)[] = {KERNEL(abs, 0),
                                             KERNEL(erf, 0x1p-22),
                                             KERNEL(exp, 0x1p-22),
                                             KERNEL(gelu, 0x1p-21),
                                             KERNEL(gelu_tanh, 0x1p-21),
                                             KERNEL(log, 0x1p-22),
                                             KERNEL(neg, 0),
                                             KERNEL(recip, 0x1p-23),
                                             KERNEL(relu, 0),
                                             KERNEL(relu2, 0x1p-23),
                                             KERNEL(rsqrt, 0x1p-22),
                                             KERNEL(sigmoid, 0x1p-21),
                                             KERNEL(silu, 0x1p-21),
                                             KERNEL(softplus, 0x1p-21),
                                             KERNEL(sqrt, 0x1p-23),
                                             KERNEL(square, 0x1p-23),
                                             KERNEL(step, 0),
                                             KERNEL(tanh, 0x1p-21),
                                             KERNEL(cast, 0x1p-23),
                                             KERNEL(scale, 0x1p-20),
                                             KERNEL(fill, 0x1p-23),
                                             NULL};

#endif
