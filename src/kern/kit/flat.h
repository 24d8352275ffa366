/* Work over tensors taken as one line of elements. A unit is 4096 elements, so that small tensors are one unit and
 * the pool is not woken for them; no element's value depends on any other.
 *
 * Kernels of rows and lines are written once, in kit/, over kit/vec.h. A file of that name in each instruction set's
 * folder includes them and so defines the table that the folder registers, VEC_NAME(file). */
#ifndef KERN_KIT_FLAT_H
#define KERN_KIT_FLAT_H

#include "base/cpu.h"
#include "dev/kernel.h"
#include "kern/kit/vec.h"

enum { FLAT_UNIT = 4096 };

/* The fields of a kernel_def that are the same for all kernels of one instruction set. */
#define VEC_KERNEL(id) .name = VEC_ISA "." #id, .op = &op_##id, .isa = VEC_ISA, .order = VEC_ORDER

/* Runs a statement in which F is the format `f`, with code of its own for each. */
#define VEC_WITH_FORMAT(f, statement)                                                              \
    do {                                                                                           \
        if ((f) == VEC_F32) {                                                                      \
            const vec_format F = VEC_F32;                                                          \
            statement;                                                                             \
        } else if ((f) == VEC_BF16) {                                                              \
            const vec_format F = VEC_BF16;                                                         \
            statement;                                                                             \
        } else {                                                                                   \
            const vec_format F = VEC_F16;                                                          \
            statement;                                                                             \
        }                                                                                          \
    } while (0)

static inline int64_t flat_elems(const tensor *t) {
    int64_t n = 1;
    for (int32_t d = 0; d < t->rank; d++) n *= t->dim[d];
    return n;
}
static inline int64_t flat_units(const call *c) {
    return div_up(flat_elems(&c->out[0]), FLAT_UNIT);
}
/* The elements of a range of units. */
static inline void flat_range(const tensor *t, int64_t *from, int64_t *to) {
    *from *= FLAT_UNIT;
    *to = MIN_OF(*to * FLAT_UNIT, flat_elems(t));
}

/* Whether a tensor is to be stored past the caches, unit by unit: it is more than stays there until it is read, and its
 * lines need not be fetched only to be written over. */
static inline bool flat_past(const tensor *t) {
    return t->data && flat_elems(t) * vec_bytes(vec_format_of(t->format)) > CPU_FAR_BYTES &&
           (uintptr_t)t->data % CACHE_LINE == 0;
}

/* Element i of a tensor in a float format. */
static inline float flat_number(const tensor *t, int64_t i) {
    return vec_number(vec_format_of(t->format), t->data, i);
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
/* The output also in the format of operand 0. */
static inline bool flat_supports_same(const kernel_query *q, reason *why) {
    if (!flat_supports(q, why)) return false;
    return q->in[0]->format == q->out[0]->format || refuse(why, "x and y differ in format");
}

/* One operand, one output: y = at(x). `coarse` where y is bf16. */
typedef vec flat_at(vec x, const void *params, bool coarse);
typedef struct flat_job {
    vec_format fx, fy;
    const void *x, *params;
    flat_at *at;
} flat_job;

ALWAYS_INLINE vec flat_step(const void *context, int64_t i, vec_part part) {
    const flat_job *j = context;
    return j->at(vec_load_some(j->fx, j->x, i, part), j->params, j->fy == VEC_BF16);
}
ALWAYS_INLINE void flat_map(vec_format fx, vec_format fy, const call *c, int64_t from, int64_t to,
                            flat_at *at) {
    const flat_job j = {fx, fy, c->in[0].data, c->params, at};
    vec_map(fy, c->out[0].data, from, to, &j, flat_step);
}
/* Over units of a call. */
ALWAYS_INLINE void flat_map_call(const call *c, int64_t from, int64_t to, flat_at *at) {
    vec_format fx = vec_format_of(c->in[0].format), fy = vec_format_of(c->out[0].format);
    flat_range(&c->out[0], &from, &to);
    if (fx == fy)
        VEC_WITH_FORMAT(fx, flat_map(F, F, c, from, to, at));
    else
        flat_map(fx, fy, c, from, to, at);
}

#endif
