/* Axes in another order. The output falls into rows: the innermost axes that stay where they are, taken as one, or
 * else its innermost axis. A row that stayed is one copy; any other is picked up at a fixed stride. */
#ifndef KERN_KIT_PERMUTE_H
#define KERN_KIT_PERMUTE_H

#include "kern/kit/rows.h"
#include "kern/kit/walk.h"
#include "ops/shape.h"
#include <string.h>

typedef struct permuting {
    walk rows;         /* of the output, in x */
    int64_t n, stride; /* of a row, in x */
} permuting;

static permuting permuting_of(const call *c) {
    const permute_params *p = c->params;
    const tensor *y = &c->out[0];
    int64_t step[MAX_RANK];
    int32_t axes = y->rank;
    permuting w = {.rows = {.count = 1}, .n = 1, .stride = 1};
    walk_steps(&c->in[0], step);
    while (axes && p->from[axes - 1] == axes - 1) w.n *= y->dim[--axes];
    if (axes && axes == y->rank) {
        w.n = y->dim[--axes];
        w.stride = step[p->from[axes]];
    }
    for (int32_t d = 0; d < axes; d++) walk_add(&w.rows, y->dim[d], step[p->from[d]]);
    return w;
}

static int64_t units(const call *c) {
    permuting w = permuting_of(c);
    return div_up(w.rows.count, rows_in_unit(w.n));
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    const permuting w = permuting_of(c);
    const int64_t step = rows_in_unit(w.n), bytes = vec_bytes(vec_format_of(c->out[0].format));
    (void)scratch;
    if (!w.n) return;
    for (int64_t r = from * step; r < MIN_OF(to * step, w.rows.count); r++) {
        const char *x = (const char *)c->in[0].data + walk_at(&w.rows, r) * bytes;
        char *y = (char *)c->out[0].data + r * w.n * bytes;
        if (w.stride == 1)
            memcpy(y, x, (size_t)(w.n * bytes));
        else if (bytes == 4)
            for (int64_t i = 0; i < w.n; i++) memcpy(y + 4 * i, x + 4 * i * w.stride, 4);
        else
            for (int64_t i = 0; i < w.n; i++) memcpy(y + 2 * i, x + 2 * i * w.stride, 2);
    }
}

static const kernel_def permute = {VEC_KERNEL(permute), .supports = flat_supports_same,
                                   .units = units, .run = run, .tolerance = 0};

const kernel_def *const VEC_NAME(permute)[] = {&permute, NULL};

#endif
