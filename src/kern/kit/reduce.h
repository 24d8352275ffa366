/* Sums, sums of squares and means: x is seen as [outer][lines][inner], of which inner are the innermost axes of one
 * kind and lines the other reduced ones. Where the innermost axis is reduced, a sum runs along it over 64 lanes, joined
 * by one tree; else columns are summed line by line. Either way what is reduced falls into blocks of a fixed size, each
 * with its own line in the shared scratch, and the merge joins the lines in order; a single block writes the output
 * itself. */
#ifndef KERN_KIT_REDUCE_H
#define KERN_KIT_REDUCE_H

#include "kern/kit/flat.h"
#include "kern/kit/walk.h"
#include "ops/reduce.h"

enum { BLOCK_LINE = 16384, BLOCK_ROWS = 64, COLUMNS = 256, UNIT_ELEMS = 2 * FLAT_UNIT };

/* A piece of work is one block of one chunk of columns. */
typedef struct work {
    bool along; /* the innermost axis is reduced */
    walk outer, lines;
    int64_t length;                  /* of a line that is summed along, or 1 */
    int64_t inner;                   /* columns, 1 where summed along */
    int64_t in_line;                 /* blocks that a line falls into */
    int64_t group;                   /* lines of a block */
    int64_t blocks, chunks, in_unit; /* pieces of a unit */
    float count;                     /* what to divide by */
} work;

static work work_of(const call *c) {
    const reduce_params *p = c->params;
    const tensor *x = &c->in[0];
    work w = {.outer = {.count = 1}, .lines = {.count = 1}, .length = 1, .inner = 1, .count = 1};
    int64_t step[MAX_RANK], inner = 1;
    int32_t axes = x->rank;
    walk_steps(x, step);
    w.along = axes && p->axes >> (axes - 1) & 1;
    while (axes && (p->axes >> (axes - 1) & 1) == w.along) inner *= x->dim[--axes];
    for (int32_t d = 0; d < axes; d++)
        walk_add(p->axes >> d & 1 ? &w.lines : &w.outer, x->dim[d], step[d]);
    *(w.along ? &w.length : &w.inner) = inner;
    w.in_line = div_up(w.length, BLOCK_LINE);
    w.group = !w.along ? BLOCK_ROWS : MAX_OF(1, BLOCK_LINE / MAX_OF(1, w.length));
    w.blocks =
        MAX_OF(1, w.in_line > 1 ? w.lines.count * w.in_line : div_up(w.lines.count, w.group));
    w.chunks = div_up(w.inner, COLUMNS);
    int64_t elems = MIN_OF(w.lines.count, w.group) * MIN_OF(w.length, BLOCK_LINE);
    w.in_unit = MAX_OF(1, UNIT_ELEMS / MAX_OF(1, elems * MIN_OF(w.inner, COLUMNS)));
    if (c->node->op == &op_mean) w.count = (float)(w.lines.count * w.length);
    return w;
}

static int64_t units(const call *c) {
    work w = work_of(c);
    return div_up(w.outer.count * w.blocks * w.chunks, w.in_unit);
}
static int64_t shared_bytes(const call *c) {
    work w = work_of(c);
    return w.blocks > 1 ? w.outer.count * w.blocks * w.inner * (int64_t)sizeof(float) : 0;
}

ALWAYS_INLINE vec term(vec x, bool square) {
    return square ? vec_mul(x, x) : x;
}

typedef struct sum_job {
    vec_format f;
    bool square;
    const void *x;
    vec *sum;
} sum_job;

ALWAYS_INLINE void sum_step(const void *context, int k, int64_t i, vec_part part) {
    const sum_job *j = context;
    j->sum[k] = vec_add(j->sum[k], term(vec_load_some(j->f, j->x, i, part), j->square));
}

ALWAYS_INLINE float sum_along(vec_format f, bool square, const void *x, int64_t at, int64_t n) {
    vec sum[4];
    for (int k = 0; k < 4; k++) sum[k] = vec_zero();
    const sum_job j = {f, square, x, sum};
    vec_gather(at, at + n, &j, sum_step);
    return vec_sum4(sum);
}

/* Block `b` of what begins at `at`, summed along. */
ALWAYS_INLINE float sum_block(vec_format f, bool square, const work *w, const void *x, int64_t at,
                              int64_t b) {
    float sum = 0;
    if (w->in_line > 1) {
        int64_t from = b % w->in_line * BLOCK_LINE;
        at += walk_at(&w->lines, b / w->in_line) + from;
        return sum_along(f, square, x, at, MIN_OF(BLOCK_LINE, w->length - from));
    }
    for (int64_t r = b * w->group; r < MIN_OF((b + 1) * w->group, w->lines.count); r++)
        sum += sum_along(f, square, x, at + walk_at(&w->lines, r), w->length);
    return sum;
}

/* y[to ..] = the sum of lines [from, end) of x from `at`, over count; `width` vectors of columns. */
ALWAYS_INLINE void sum_columns(vec_format fx, vec_format fy, bool square, const void *x, void *y,
                               int64_t at, int64_t to, const walk *lines, int64_t from, int64_t end,
                               int width, vec_part part, float count) {
    vec sum[COLUMNS / VEC];
    for (int k = 0; k < width; k++) sum[k] = vec_zero();
    for (int64_t r = from; r < end; r++) {
        int64_t line = at + walk_at(lines, r);
        for (int k = 0; k < width; k++)
            sum[k] = vec_add(sum[k], term(vec_load_some(fx, x, line + VEC * k, part), square));
    }
    for (int k = 0; k < width; k++)
        vec_store_some(fy, y, to + VEC * k, part, vec_div(sum[k], vec_set(count)));
}

/* The same for any number of columns up to a chunk's. */
ALWAYS_INLINE void sum_chunk(vec_format fx, vec_format fy, bool square, const void *x, void *y,
                             int64_t at, int64_t to, const walk *lines, int64_t from, int64_t end,
                             int64_t n, float count) {
    int64_t i = 0;
    for (; i + 4 * VEC <= n; i += 4 * VEC)
        sum_columns(fx, fy, square, x, y, at + i, to + i, lines, from, end, 4, VEC_ALL, count);
    for (; i < n; i += VEC)
        sum_columns(fx, fy, square, x, y, at + i, to + i, lines, from, end, 1, vec_first(n - i),
                    count);
}

ALWAYS_INLINE void run_pieces(vec_format fx, vec_format fy, bool square, const call *c,
                              const work *w, void *y, float count, int64_t from, int64_t to) {
    const void *x = c->in[0].data;
    for (int64_t piece = from; piece < to; piece++) {
        int64_t line = piece / w->chunks, column = piece % w->chunks * COLUMNS;
        int64_t at = walk_at(&w->outer, line / w->blocks), b = line % w->blocks;
        if (w->along)
            vec_put(fy, y, line, sum_block(fx, square, w, x, at, b) / count);
        else
            sum_chunk(fx, fy, square, x, y, at + column, line * w->inner + column, &w->lines,
                      b * w->group, MIN_OF((b + 1) * w->group, w->lines.count),
                      MIN_OF(COLUMNS, w->inner - column), count);
    }
}

ALWAYS_INLINE void run_units(const call *c, bool square, int64_t from, int64_t to) {
    work w = work_of(c);
    vec_format f = vec_format_of(c->in[0].format);
    from *= w.in_unit;
    to = MIN_OF(to * w.in_unit, w.outer.count * w.blocks * w.chunks);
    if (w.blocks == 1)
        VEC_WITH_FORMAT(f, run_pieces(F, F, square, c, &w, c->out[0].data, w.count, from, to));
    else
        VEC_WITH_FORMAT(f, run_pieces(F, VEC_F32, square, c, &w, c->scratch, 1, from, to));
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    run_units(c, false, from, to);
}
static void run_squares(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    run_units(c, true, from, to);
}

static int64_t merge_units(const call *c) {
    work w = work_of(c);
    return w.blocks > 1 ? w.outer.count * w.chunks : 0;
}

static void merge(const call *c, int64_t from, int64_t to, void *scratch) {
    work w = work_of(c);
    vec_format f = vec_format_of(c->out[0].format);
    walk blocks = {.count = 1};
    (void)scratch;
    walk_add(&blocks, w.blocks, w.inner);
    for (int64_t piece = from; piece < to; piece++) {
        int64_t o = piece / w.chunks, column = piece % w.chunks * COLUMNS;
        sum_chunk(VEC_F32, f, false, c->scratch, c->out[0].data, o * w.blocks * w.inner + column,
                  o * w.inner + column, &blocks, 0, w.blocks, MIN_OF(COLUMNS, w.inner - column),
                  w.count);
    }
}

#define REDUCE(id, how)                                                                            \
    static const kernel_def kernel_##id = {VEC_KERNEL(id),                                         \
                                           .supports = flat_supports_same,                         \
                                           .shared_bytes = shared_bytes,                           \
                                           .units = units,                                         \
                                           .run = how,                                             \
                                           .merge_units = merge_units,                             \
                                           .merge = merge,                                         \
                                           .tolerance = 0x1p-15};

REDUCE(sum, run)
REDUCE(sum_squares, run_squares)
REDUCE(mean, run)

const kernel_def *const VEC_NAME(reduce)[] = {&kernel_sum, &kernel_sum_squares, &kernel_mean, NULL};

#endif
