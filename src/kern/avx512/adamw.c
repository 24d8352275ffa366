/* AdamW: four streams read, three written, one pass. */
#include "kern/kit/flat_avx512.h"
#include "ops/optimiser.h"
#include <math.h>

typedef struct factors {
    float b1, rest1, b2, rest2, unbias_m, unbias_v, eps, shrink, lr, scale;
} factors;

static float scalar(const tensor *t) {
    return _mm512_cvtss_f32(vec_load_some(vec_format_of(t->format), t->data, 0, 1));
}

static factors factors_of(const call *c) {
    const adamw_params *p = c->params;
    const tensor *step = &c->in[ADAMW_STEP];
    int64_t t;
    step->format->unpack_index(step->data, 0, 1, &t);
    float lr = scalar(&c->in[ADAMW_LR]);
    return (factors){.b1 = (float)p->beta1,
                     .rest1 = (float)(1 - p->beta1),
                     .b2 = (float)p->beta2,
                     .rest2 = (float)(1 - p->beta2),
                     .unbias_m = (float)(1 / (1 - pow(p->beta1, (double)t))),
                     .unbias_v = (float)(1 / (1 - pow(p->beta2, (double)t))),
                     .eps = (float)p->eps,
                     .shrink = (float)(lr * p->decay),
                     .lr = lr,
                     .scale = c->in[ADAMW_SCALE].data ? scalar(&c->in[ADAMW_SCALE]) : 1};
}

ALWAYS_INLINE void run_span(const vec_format f[4], const call *c, const factors *k, int64_t from,
                            int64_t to) {
    for (int64_t i = from; i < to; i += 16) {
        __mmask16 keep = vec_mask(to - i);
        __m512 w = vec_load_some(f[0], c->in[ADAMW_W].data, i, keep);
        __m512 m = vec_load_some(f[1], c->in[ADAMW_M].data, i, keep);
        __m512 v = vec_load_some(f[2], c->in[ADAMW_V].data, i, keep);
        __m512 g =
            _mm512_mul_ps(vec_load_some(f[3], c->in[ADAMW_GRAD].data, i, keep), vec_set(k->scale));
        m = _mm512_fmadd_ps(vec_set(k->b1), m, _mm512_mul_ps(vec_set(k->rest1), g));
        v = _mm512_fmadd_ps(vec_set(k->b2), v,
                            _mm512_mul_ps(vec_set(k->rest2), _mm512_mul_ps(g, g)));
        __m512 size = _mm512_sqrt_ps(_mm512_mul_ps(v, vec_set(k->unbias_v)));
        __m512 way = _mm512_div_ps(_mm512_mul_ps(m, vec_set(k->unbias_m * k->lr)),
                                   _mm512_add_ps(size, vec_set(k->eps)));
        w = _mm512_sub_ps(_mm512_fnmadd_ps(vec_set(k->shrink), w, w), way);
        if (c->out[0].data) vec_store_some(f[0], c->out[0].data, i, keep, w);
        if (c->out[1].data) vec_store_some(f[1], c->out[1].data, i, keep, m);
        if (c->out[2].data) vec_store_some(f[2], c->out[2].data, i, keep, v);
    }
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    static const vec_format floats[4] = {VEC_F32, VEC_F32, VEC_F32, VEC_F32};
    factors k = factors_of(c);
    vec_format f[4];
    bool all = true;
    (void)scratch;
    for (int i = 0; i < 4; i++) all &= (f[i] = vec_format_of(c->in[i].format)) == VEC_F32;
    from *= FLAT_UNIT;
    to = MIN_OF(to * FLAT_UNIT, flat_elems(&c->out[0]));
    if (all)
        run_span(floats, c, &k, from, to);
    else
        run_span(f, c, &k, from, to);
}

static bool supports(const kernel_query *q, reason *why) {
    kernel_query floats = *q;
    floats.in[ADAMW_STEP] = NULL;
    return flat_supports(&floats, why);
}

static const kernel_def kernel = {.name = "avx512.adamw",
                                  .op = &op_adamw,
                                  .isa = "avx512",
                                  .order = 1,
                                  .supports = supports,
                                  .units = flat_units,
                                  .run = run,
                                  .tolerance = 0x1p-18};

const kernel_def *const kernels_avx512_adamw[] = {&kernel, NULL};
