/* Work over tensors taken as one line of elements. A unit is 4096 elements, so that small tensors are one unit and
 * the pool is not woken for them; no element's value depends on any other. */
#ifndef KERN_KIT_FLAT_AVX512_H
#define KERN_KIT_FLAT_AVX512_H

#include "dev/kernel.h"
#include "kern/kit/vec_avx512.h"

enum { FLAT_UNIT = 4096 };

static inline int64_t flat_elems(const tensor *t) {
    int64_t n = 1;
    for (int32_t d = 0; d < t->rank; d++) n *= t->dim[d];
    return n;
}
static inline int64_t flat_units(const call *c) {
    return div_up(flat_elems(&c->out[0]), FLAT_UNIT);
}
/* Operands that are there, and outputs that are read, must all be f32, bf16 or f16. */
static inline bool flat_supports(const kernel_query *q, reason *why) {
    for (int32_t i = 0; i < q->node->n_in; i++)
        if (q->in[i] && vec_format_of(q->in[i]->format) == VEC_NONE)
            return refuse(why, "operand %d is %s", i, q->in[i]->format->name);
    for (int32_t o = 0; o < q->node->n_out; o++)
        if (q->out[o] && vec_format_of(q->out[o]->format) == VEC_NONE)
            return refuse(why, "output %d is %s", o, q->out[o]->format->name);
    return true;
}

/* y[from..to) = at(x[from..to)), for constant formats. Every load comes before the store to its place. */
ALWAYS_INLINE void flat_map(vec_format fx, vec_format fy, const void *x, void *y, int64_t from,
                            int64_t to, const void *params,
                            __m512 (*at)(__m512, const void *params)) {
    int64_t i = from;
    for (; i + 32 <= to; i += 32) {
        __m512 a = at(vec_load(fx, x, i), params), b = at(vec_load(fx, x, i + 16), params);
        vec_store(fy, y, i, a);
        vec_store(fy, y, i + 16, b);
    }
    for (; i < to; i += 16) {
        __mmask16 keep = vec_mask(to - i);
        vec_store_some(fy, y, i, keep, at(vec_load_some(fx, x, i, keep), params));
    }
}
/* One operand, one output, over units of a call. */
ALWAYS_INLINE void flat_map_call(const call *c, int64_t from, int64_t to,
                                 __m512 (*at)(__m512, const void *params)) {
    const void *x = c->in[0].data;
    void *y = c->out[0].data;
    from *= FLAT_UNIT;
    to = MIN_OF(to * FLAT_UNIT, flat_elems(&c->out[0]));
    vec_format fx = vec_format_of(c->in[0].format), fy = vec_format_of(c->out[0].format);
    if (fx == VEC_F32 && fy == VEC_F32)
        flat_map(VEC_F32, VEC_F32, x, y, from, to, c->params, at);
    else if (fx == VEC_BF16 && fy == VEC_BF16)
        flat_map(VEC_BF16, VEC_BF16, x, y, from, to, c->params, at);
    else
        flat_map(fx, fy, x, y, from, to, c->params, at);
}

#endif
