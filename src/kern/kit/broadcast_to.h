/* x repeated to another shape, by rows of the output: a row is one element of x over and over, or a row of x. */
#ifndef KERN_KIT_BROADCAST_TO_H
#define KERN_KIT_BROADCAST_TO_H

#include "kern/kit/rows.h"
#include "kern/kit/walk.h"
#include "ops/reduce.h"

/* Of the rows of the output, in x; where x is repeated the step is 0. */
static walk rows_walk(const call *c, bool *repeated) {
    const broadcast_to_params *p = c->params;
    const tensor *x = &c->in[0], *y = &c->out[0];
    int64_t in_x[MAX_RANK], step[MAX_RANK] = {0};
    walk rows = {.count = 1};
    walk_steps(x, in_x);
    for (int32_t a = y->rank - 1, d = x->rank - 1; a >= 0; a--) {
        if (p->axes >> a & 1) continue;
        step[a] = x->dim[d] == 1 ? 0 : in_x[d];
        d--;
    }
    for (int32_t a = 0; a < y->rank - 1; a++) walk_add(&rows, y->dim[a], step[a]);
    *repeated = !y->rank || !step[y->rank - 1];
    return rows;
}

ALWAYS_INLINE void run_rows(vec_format f, const call *c, int64_t from, int64_t to) {
    const broadcast_to_params *p = c->params;
    const tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t n = rows_columns(y), unit_rows = rows_in_unit(n);
    const float repeats = p->average ? (float)(flat_elems(y) / MAX_OF(1, flat_elems(x))) : 1;
    bool repeated;
    const walk rows = rows_walk(c, &repeated);
    const vec times = vec_set(repeats);
    for (int64_t r = from * unit_rows; r < MIN_OF(to * unit_rows, rows_count(y)); r++) {
        int64_t at = walk_at(&rows, r);
        vec one = vec_set(n ? vec_number(f, x->data, at) : 0);
        for (int64_t i = 0; i < n; i += 16) {
            vec_part part = vec_first(n - i);
            vec v = repeated ? one : vec_load_some(f, x->data, at + i, part);
            vec_store_some(f, y->data, r * n + i, part, vec_div(v, times));
        }
    }
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    VEC_WITH_FORMAT(vec_format_of(c->out[0].format), run_rows(F, c, from, to));
}

static bool supports(const kernel_query *q, reason *why) {
    kernel_query floats = *q;
    floats.in[1] = NULL; /* lends its shape only */
    if (!flat_supports(&floats, why)) return false;
    return q->in[0]->format == q->out[0]->format || refuse(why, "x and y differ in format");
}

static const kernel_def broadcast_to = {VEC_KERNEL(broadcast_to), .supports = supports,
                                        .units = rows_units, .run = run, .tolerance = 0x1p-22};

const kernel_def *const VEC_NAME(broadcast_to)[] = {&broadcast_to, NULL};

#endif
