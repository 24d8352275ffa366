/* Ops that treat every element of one operand alone. */
#include "kern/kit/flat_avx512.h"
#include "ops/cast.h"
#include "ops/fill.h"
#include "ops/scale.h"
#include "ops/unary.h"

#define ELEMENT(id, expression)                                                                    \
    ALWAYS_INLINE __m512 at_##id(__m512 x, const void *params) {                                   \
        (void)params;                                                                              \
        return (expression);                                                                       \
    }                                                                                              \
    static void run_##id(const call *c, int64_t from, int64_t to, void *scratch) {                 \
        (void)scratch;                                                                             \
        flat_map_call(c, from, to, at_##id);                                                       \
    }

#define KERNEL(id, most_error)                                                                     \
    {                                                                                              \
        .name = "avx512." #id, .op = &op_##id, .isa = "avx512", .order = 1,                        \
        .supports = flat_supports, .units = flat_units, .run = run_##id, .tolerance = (most_error) \
    }

ALWAYS_INLINE __m512 softplus(__m512 x) {
    /* max(x, 0) + log(1 + e^-|x|); log1p(e) = e log(u) / (u - 1) with u = 1 + e, where u is not 1 */
    __m512 e = vec_exp(_mm512_sub_ps(_mm512_setzero_ps(), vec_abs(x)));
    __m512 u = _mm512_add_ps(vec_set(1), e), d = _mm512_sub_ps(u, vec_set(1));
    __mmask16 some = _mm512_cmp_ps_mask(d, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    __m512 l = _mm512_mask_mul_ps(e, some, _mm512_div_ps(e, d), vec_log(u));
    return _mm512_add_ps(_mm512_max_ps(_mm512_setzero_ps(), x), l);
}

ELEMENT(abs, vec_abs(x))
ELEMENT(erf, vec_erf(x))
ELEMENT(exp, vec_exp(x))
ELEMENT(gelu, vec_gelu(x))
ELEMENT(gelu_tanh, vec_gelu_tanh(x))
ELEMENT(log, vec_log(x))
ELEMENT(neg, _mm512_xor_ps(x, vec_set(-0.0f)))
ELEMENT(recip, _mm512_div_ps(vec_set(1), x))
ELEMENT(relu, vec_relu(x))
ELEMENT(relu2, vec_relu2(x))
ELEMENT(rsqrt, _mm512_div_ps(vec_set(1), _mm512_sqrt_ps(x)))
ELEMENT(sigmoid, vec_sigmoid(x))
ELEMENT(silu, vec_silu(x))
ELEMENT(softplus, softplus(x))
ELEMENT(sqrt, _mm512_sqrt_ps(x))
ELEMENT(square, _mm512_mul_ps(x, x))
ELEMENT(step,
        _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), vec_set(1)))
ELEMENT(tanh, vec_tanh(x))
ELEMENT(cast, x)

ALWAYS_INLINE __m512 at_scale(__m512 x, const void *params) {
    const scale_params *p = params;
    return _mm512_fmadd_ps(x, vec_set((float)p->mul), vec_set((float)p->add));
}
static void run_scale(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    flat_map_call(c, from, to, at_scale);
}

static void run_fill(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    const fill_params *p = c->params;
    __m512 y = vec_set((float)p->number);
    vec_format f = vec_format_of(c->out[0].format);
    to = MIN_OF(to * FLAT_UNIT, flat_elems(&c->out[0]));
    for (int64_t i = from * FLAT_UNIT; i < to; i += 16)
        vec_store_some(f, c->out[0].data, i, vec_mask(to - i), y);
}

static const kernel_def kernels[] = {KERNEL(abs, 0),
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
                                     KERNEL(fill, 0x1p-23)};

const kernel_def *const kernels_avx512_unary[] = {
    &kernels[0],  &kernels[1],  &kernels[2],  &kernels[3],  &kernels[4],  &kernels[5],
    &kernels[6],  &kernels[7],  &kernels[8],  &kernels[9],  &kernels[10], &kernels[11],
    &kernels[12], &kernels[13], &kernels[14], &kernels[15], &kernels[16], &kernels[17],
    &kernels[18], &kernels[19], &kernels[20], NULL};
