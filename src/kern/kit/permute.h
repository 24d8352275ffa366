/* Axes in another order. Where the innermost axes stay, they are rows that are copied. Else the innermost axis of x is
 * another one of the output's (`across`), and tiles of 16 by 16 elements are turned in registers: a unit is some lines
 * of x's cache along `across`, and all of the output's innermost axis. */
#ifndef KERN_KIT_PERMUTE_H
#define KERN_KIT_PERMUTE_H

#include "kern/kit/rows.h"
#include "kern/kit/walk.h"
#include "ops/shape.h"
#include <string.h>

typedef struct permuting {
    bool turns;
    walk x, y;             /* where rows begin, or tiles */
    int64_t n;             /* of a row, or of the output's innermost axis */
    int64_t stride;        /* of that axis in x */
    int64_t across, apart; /* extent, and step in the output, of the axis that is innermost in x */
    int64_t strips;        /* of a cache line along it */
    int64_t units, in_unit;
} permuting;

static permuting permuting_of(const call *c) {
    const permute_params *p = c->params;
    const tensor *y = &c->out[0];
    const int64_t line = CACHE_LINE / vec_bytes(vec_format_of(y->format));
    int64_t in_x[MAX_RANK], in_y[MAX_RANK];
    int32_t axes = y->rank;
    permuting w = {.x = {.count = 1}, .y = {.count = 1}, .n = 1, .strips = 1};
    walk_steps(&c->in[0], in_x);
    walk_steps(y, in_y);
    while (axes && p->from[axes - 1] == axes - 1) w.n *= y->dim[--axes];
    w.turns = axes && axes == y->rank;
    if (w.turns) {
        w.n = y->dim[--axes];
        w.stride = in_x[p->from[axes]];
    }
    for (int32_t d = 0; d < axes; d++) {
        if (w.turns && p->from[d] == y->rank - 1) {
            w.across = y->dim[d];
            w.apart = in_y[d];
            w.strips = div_up(w.across, line);
        } else {
            walk_add(&w.x, y->dim[d], in_x[p->from[d]]);
            walk_add(&w.y, y->dim[d], in_y[d]);
        }
    }
    w.units = w.x.count * w.strips;
    w.in_unit = rows_in_unit(w.turns ? w.n * line : w.n);
    return w;
}

static int64_t units(const call *c) {
    permuting w = permuting_of(c);
    return w.n ? div_up(w.units, w.in_unit) : 0;
}

/* Rows i .. i + 15 of `n` along x, whose columns `part` are there, become columns of `count` rows of y. */
ALWAYS_INLINE void turn_tile(bool floats, const permuting *w, const void *x, void *y, int64_t from,
                             int64_t to, int64_t i, int64_t count) {
    const vec_part part = count >= VEC ? VEC_ALL : vec_first(count);
    const vec_part there = w->n - i >= VEC ? VEC_ALL : vec_first(w->n - i);
    vec_ints r[VEC];
    for (int k = 0; k < VEC; k++) {
        int64_t at = from + MIN_OF(i + k, w->n - 1) * w->stride;
        r[k] = floats ? vec_load_ints((const int32_t *)x + at, part)
                      : vec_ints_of_halves(vec_load_halves((const uint16_t *)x + at, part));
    }
    vec_transpose(r);
    for (int k = 0; k < VEC && k < count; k++) {
        int64_t at = to + k * w->apart + i;
        if (floats)
            vec_store_ints((int32_t *)y + at, there, r[k]);
        else
            vec_store_halves((uint16_t *)y + at, there, vec_halves_of_ints(r[k]));
    }
}

ALWAYS_INLINE void turn_units(bool floats, const call *c, const permuting *w, int64_t from,
                              int64_t to) {
    const int64_t line = CACHE_LINE / (floats ? 4 : 2);
    for (int64_t u = from; u < to; u++) {
        int64_t first = u % w->strips * line, end = MIN_OF(w->across, first + line);
        int64_t x = walk_at(&w->x, u / w->strips), y = walk_at(&w->y, u / w->strips);
        for (int64_t i = 0; i < w->n; i += VEC)
            for (int64_t a = first; a < end; a += VEC)
                turn_tile(floats, w, c->in[0].data, c->out[0].data, x + a, y + a * w->apart, i,
                          end - a);
    }
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    const permuting w = permuting_of(c);
    const int64_t bytes = vec_bytes(vec_format_of(c->out[0].format));
    (void)scratch;
    from *= w.in_unit;
    to = MIN_OF(to * w.in_unit, w.units);
    if (w.turns && bytes == 4)
        turn_units(true, c, &w, from, to);
    else if (w.turns)
        turn_units(false, c, &w, from, to);
    else
        for (int64_t r = from; r < to; r++)
            memcpy((char *)c->out[0].data + r * w.n * bytes,
                   (const char *)c->in[0].data + walk_at(&w.x, r) * bytes, (size_t)(w.n * bytes));
}

static const kernel_def permute = {VEC_KERNEL(permute), .supports = flat_supports_same,
                                   .units = units, .run = run, .tolerance = 0};

const kernel_def *const VEC_NAME(permute)[] = {&permute, NULL};

#endif
