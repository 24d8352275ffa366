/* Work over rows, the innermost axis. A unit is as many whole rows as make about 4096 elements. */
#ifndef KERN_KIT_ROWS_AVX512_H
#define KERN_KIT_ROWS_AVX512_H

#include "kern/kit/flat_avx512.h"

static inline int64_t rows_columns(const tensor *t) {
    return t->rank ? t->dim[t->rank - 1] : 1;
}
static inline int64_t rows_count(const tensor *t) {
    return flat_elems(t) / MAX_OF(1, rows_columns(t));
}
static inline int64_t rows_in_unit(int64_t columns) {
    return MAX_OF(1, FLAT_UNIT / MAX_OF(1, columns));
}
/* Units of output 0, and the rows of a range of them. */
static inline int64_t rows_units(const call *c) {
    return div_up(rows_count(&c->out[0]), rows_in_unit(rows_columns(&c->out[0])));
}
static inline void rows_range(const tensor *t, int64_t *from, int64_t *to) {
    int64_t step = rows_in_unit(rows_columns(t));
    *from *= step;
    *to = MIN_OF(*to * step, rows_count(t));
}

/* An output that is read, in the format of operand 0. */
static inline bool rows_supports(const kernel_query *q, reason *why) {
    if (!flat_supports(q, why)) return false;
    return q->in[0]->format == q->out[0]->format || refuse(why, "x and y differ in format");
}

/* The kernel of an op of that name, through the file's run_rows(format, call, from, to, option), which gets a
 * loop of its own for each format. */
#define ROWS_KERNEL(id, option)                                                                    \
    static void run_##id(const call *c, int64_t from, int64_t to, void *scratch) {                 \
        vec_format f = vec_format_of(c->out[0].format);                                            \
        (void)scratch;                                                                             \
        if (f == VEC_F32)                                                                          \
            run_rows(VEC_F32, c, from, to, option);                                                \
        else if (f == VEC_BF16)                                                                    \
            run_rows(VEC_BF16, c, from, to, option);                                               \
        else                                                                                       \
            run_rows(VEC_F16, c, from, to, option);                                                \
    }                                                                                              \
    static const kernel_def kernel_##id = {.name = "avx512." #id,                                  \
                                           .op = &op_##id,                                         \
                                           .isa = "avx512",                                        \
                                           .order = 1,                                             \
                                           .supports = rows_supports,                              \
                                           .units = rows_units,                                    \
                                           .run = run_##id,                                        \
                                           .tolerance = 0x1p-18};

#endif
