/* Work over rows, the innermost axis. A unit is as many whole rows as make about 4096 elements. */
#ifndef KERN_KIT_ROWS_H
#define KERN_KIT_ROWS_H

#include "base/cpu.h"
#include "kern/kit/flat.h"

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

/* Whether the rows of y are to be stored past the caches: all of them are more than stays there until they are read,
 * and their lines need not be fetched only to be written over. */
static inline bool rows_past(const tensor *t) {
    const int64_t bytes = rows_columns(t) * vec_bytes(vec_format_of(t->format));
    return rows_count(t) * bytes > CPU_FAR_BYTES && bytes % CACHE_LINE == 0 &&
           (uintptr_t)t->data % CACHE_LINE == 0;
}

/* The kernel of an op of that name, through the file's run_rows(format, call, from, to, option), which gets a
 * loop of its own for each format. */
#define ROWS_KERNEL(id, option)                                                                    \
    static void run_##id(const call *c, int64_t from, int64_t to, void *scratch) {                 \
        (void)scratch;                                                                             \
        VEC_WITH_FORMAT(vec_format_of(c->out[0].format), run_rows(F, c, from, to, option));        \
    }                                                                                              \
    static const kernel_def kernel_##id = {VEC_KERNEL(id), .supports = flat_supports_same,         \
                                           .units = rows_units, .run = run_##id,                   \
                                           .tolerance = 0x1p-18};

#endif
