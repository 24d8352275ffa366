/* y = act(gate) up, and for silu its backward: with s = sigmoid(gate),
 *   dgate = dy up (s + gate s (1 - s)),  dup = dy gate s. */
#include "kern/kit/flat_avx512.h"
#include "ops/gated_mlp.h"

ALWAYS_INLINE void run_span(vec_format f, int32_t act, const call *c, int64_t from, int64_t to) {
    const void *gate = c->in[GATED_MLP_GATE].data, *up = c->in[GATED_MLP_UP].data;
    for (int64_t i = from; i < to; i += 16) {
        __mmask16 keep = vec_mask(to - i);
        __m512 x = vec_load_some(f, gate, i, keep), u = vec_load_some(f, up, i, keep);
        x = act == ACT_SILU ? vec_silu(x) : act == ACT_GELU ? vec_gelu(x) : vec_gelu_tanh(x);
        vec_store_some(f, c->out[0].data, i, keep, _mm512_mul_ps(x, u));
    }
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    int32_t act = ((const gated_mlp_params *)c->params)->act;
    vec_format f = vec_format_of(c->out[0].format);
    (void)scratch;
    from *= FLAT_UNIT;
    to = MIN_OF(to * FLAT_UNIT, flat_elems(&c->out[0]));
    if (act == ACT_SILU && f == VEC_F32)
        run_span(VEC_F32, ACT_SILU, c, from, to);
    else if (act == ACT_SILU && f == VEC_BF16)
        run_span(VEC_BF16, ACT_SILU, c, from, to);
    else
        run_span(f, act, c, from, to);
}

static bool supports(const kernel_query *q, reason *why) {
    int32_t act = ((const gated_mlp_params *)q->node->params)->act;
    if (!flat_supports(q, why)) return false;
    if (act != ACT_SILU && act != ACT_GELU && act != ACT_GELU_TANH)
        return refuse(why, "activation %d", act);
    return (q->in[0]->format == q->out[0]->format && q->in[1]->format == q->out[0]->format) ||
           refuse(why, "gate, up and y differ in format");
}

static const kernel_def kernel = {.name = "avx512.gated_mlp",
                                  .op = &op_gated_mlp,
                                  .isa = "avx512",
                                  .order = 1,
                                  .supports = supports,
                                  .units = flat_units,
                                  .run = run,
                                  .tolerance = 0x1p-20};

ALWAYS_INLINE void back_span(vec_format f, const call *c, int64_t from, int64_t to) {
    const void *gate = c->in[GATED_MLP_GATE].data, *up = c->in[GATED_MLP_UP].data;
    for (int64_t i = from; i < to; i += 16) {
        __mmask16 keep = vec_mask(to - i);
        __m512 x = vec_load_some(f, gate, i, keep), u = vec_load_some(f, up, i, keep);
        __m512 dy = vec_load_some(f, c->in[GATED_MLP_DY].data, i, keep), s = vec_sigmoid(x);
        __m512 y = _mm512_mul_ps(x, s);
        __m512 slope = _mm512_fmadd_ps(y, _mm512_sub_ps(vec_set(1), s), s);
        __m512 d = _mm512_mul_ps(_mm512_mul_ps(dy, u), slope);
        if (c->out[0].data) vec_store_some(f, c->out[0].data, i, keep, d);
        if (c->out[1].data) vec_store_some(f, c->out[1].data, i, keep, _mm512_mul_ps(dy, y));
    }
}

static void run_back(const call *c, int64_t from, int64_t to, void *scratch) {
    vec_format f = vec_format_of(c->in[0].format);
    (void)scratch;
    from *= FLAT_UNIT;
    to = MIN_OF(to * FLAT_UNIT, flat_elems(&c->in[0]));
    if (f == VEC_F32)
        back_span(VEC_F32, c, from, to);
    else if (f == VEC_BF16)
        back_span(VEC_BF16, c, from, to);
    else
        back_span(VEC_F16, c, from, to);
}

static bool supports_back(const kernel_query *q, reason *why) {
    if (!flat_supports(q, why)) return false;
    if (((const gated_mlp_params *)q->node->params)->act != ACT_SILU)
        return refuse(why, "only silu");
    bool same = q->in[1]->format == q->in[0]->format && q->in[2]->format == q->in[0]->format;
    for (int o = 0; o < 2; o++) same &= !q->out[o] || q->out[o]->format == q->in[0]->format;
    return same || refuse(why, "the operands differ in format");
}

static const kernel_def back = {.name = "avx512.gated_mlp_bwd",
                                .op = &op_gated_mlp_bwd,
                                .isa = "avx512",
                                .order = 1,
                                .supports = supports_back,
                                .units = flat_units,
                                .run = run_back,
                                .tolerance = 0x1p-19};

const kernel_def *const kernels_avx512_gated_mlp[] = {&kernel, &back, NULL};
