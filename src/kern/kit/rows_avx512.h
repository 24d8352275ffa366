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

#endif
