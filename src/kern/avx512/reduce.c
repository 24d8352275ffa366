/* Sums, sums of squares and means over axes that lie side by side: x is [outer][reduced][inner], of which outer or
 * inner may be 1. Where the innermost axis is reduced, a sum runs along it over 64 lanes, joined by one tree; else
 * columns are summed row by row. Either way the reduced extent falls into blocks of a fixed size, each with its own
 * line in the shared scratch, and the merge joins the lines in order; a single block writes the output itself. */
#include "kern/kit/flat_avx512.h"
#include "ops/reduce.h"

enum { BLOCK_LINE = 16384, BLOCK_ROWS = 64, COLUMNS = 256, UNIT_ELEMS = 2 * FLAT_UNIT };

/* A piece of work is one block of one chunk of columns. */
typedef struct work {
    bool along; /* the innermost axis is reduced */
    int64_t outer, reduced, inner;
    int64_t block, blocks, chunks;
    int64_t in_unit; /* pieces */
    float count;     /* what to divide by */
} work;

static work work_of(const call *c) {
    const reduce_params *p = c->params;
    const tensor *x = &c->in[0];
    work w = {.outer = 1, .reduced = 1, .inner = 1};
    for (int32_t d = 0; d < x->rank; d++) {
        if (p->axes >> d & 1)
            w.reduced *= x->dim[d];
        else if (p->axes & (((int64_t)1 << d) - 1))
            w.inner *= x->dim[d];
        else
            w.outer *= x->dim[d];
    }
    if (!p->axes) {
        w.inner = w.outer;
        w.outer = 1;
    }
    w.along = p->axes && p->axes >> (x->rank - 1) & 1;
    w.block = w.along ? BLOCK_LINE : BLOCK_ROWS;
    w.blocks = MAX_OF(1, div_up(w.reduced, w.block));
    w.chunks = div_up(w.inner, COLUMNS);
    int64_t elems = MIN_OF(w.reduced, w.block) * MIN_OF(w.inner, COLUMNS);
    w.in_unit = MAX_OF(1, UNIT_ELEMS / MAX_OF(1, elems));
    w.count = c->node->op == &op_mean ? (float)w.reduced : 1;
    return w;
}

static int64_t units(const call *c) {
    work w = work_of(c);
    return div_up(w.outer * w.blocks * w.chunks, w.in_unit);
}
static int64_t shared_bytes(const call *c) {
    work w = work_of(c);
    return w.blocks > 1 ? w.outer * w.blocks * w.inner * (int64_t)sizeof(float) : 0;
}

ALWAYS_INLINE __m512 term(__m512 x, bool square) {
    return square ? _mm512_mul_ps(x, x) : x;
}

ALWAYS_INLINE float sum_along(vec_format f, bool square, const void *x, int64_t at, int64_t n) {
    __m512 sum[4];
    for (int k = 0; k < 4; k++) sum[k] = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (int k = 0; k < 4; k++)
            sum[k] = _mm512_add_ps(sum[k], term(vec_load(f, x, at + i + 16 * k), square));
    for (int k = 0; i < n; i += 16, k++)
        sum[k] = _mm512_add_ps(sum[k], term(vec_load_some(f, x, at + i, vec_mask(n - i)), square));
    return vec_sum(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

/* y[to ..] = the sum of `rows` rows of x from `at`, over count; `width` vectors of columns. */
ALWAYS_INLINE void sum_columns(vec_format fx, vec_format fy, bool square, const void *x, void *y,
                               int64_t at, int64_t to, int64_t rows, int64_t stride, int width,
                               __mmask16 keep, float count) {
    __m512 sum[COLUMNS / 16];
    for (int k = 0; k < width; k++) sum[k] = _mm512_setzero_ps();
    for (int64_t r = 0; r < rows; r++)
        for (int k = 0; k < width; k++)
            sum[k] = _mm512_add_ps(
                sum[k], term(vec_load_some(fx, x, at + r * stride + 16 * k, keep), square));
    for (int k = 0; k < width; k++)
        vec_store_some(fy, y, to + 16 * k, keep, _mm512_div_ps(sum[k], vec_set(count)));
}

/* The same for any number of columns up to a chunk's. */
ALWAYS_INLINE void sum_chunk(vec_format fx, vec_format fy, bool square, const void *x, void *y,
                             int64_t at, int64_t to, int64_t rows, int64_t stride, int64_t n,
                             float count) {
    if (n == COLUMNS) {
        sum_columns(fx, fy, square, x, y, at, to, rows, stride, COLUMNS / 16, 0xffff, count);
        return;
    }
    for (int64_t i = 0; i < n; i += 16)
        sum_columns(fx, fy, square, x, y, at + i, to + i, rows, stride, 1, vec_mask(n - i), count);
}

ALWAYS_INLINE void run_pieces(vec_format fx, vec_format fy, bool square, const call *c,
                              const work *w, void *y, float count, int64_t from, int64_t to) {
    for (int64_t piece = from; piece < to; piece++) {
        int64_t line = piece / w->chunks, column = piece % w->chunks * COLUMNS;
        int64_t o = line / w->blocks, r = line % w->blocks * w->block;
        int64_t rows = MIN_OF(w->block, w->reduced - r);
        int64_t at = (o * w->reduced + r) * w->inner + column;
        if (w->along)
            vec_store_some(fy, y, line, 1,
                           vec_set(sum_along(fx, square, c->in[0].data, at, rows) / count));
        else
            sum_chunk(fx, fy, square, c->in[0].data, y, at, line * w->inner + column, rows,
                      w->inner, MIN_OF(COLUMNS, w->inner - column), count);
    }
}

ALWAYS_INLINE void run_units(const call *c, bool square, int64_t from, int64_t to) {
    work w = work_of(c);
    vec_format f = vec_format_of(c->in[0].format);
    const bool whole = w.blocks == 1;
    from *= w.in_unit;
    to = MIN_OF(to * w.in_unit, w.outer * w.blocks * w.chunks);
    if (f == VEC_F32)
        run_pieces(VEC_F32, VEC_F32, square, c, &w, whole ? c->out[0].data : c->scratch,
                   whole ? w.count : 1, from, to);
    else if (whole)
        run_pieces(f, f, square, c, &w, c->out[0].data, w.count, from, to);
    else if (f == VEC_BF16)
        run_pieces(VEC_BF16, VEC_F32, square, c, &w, c->scratch, 1, from, to);
    else
        run_pieces(VEC_F16, VEC_F32, square, c, &w, c->scratch, 1, from, to);
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
    return w.blocks > 1 ? w.outer * w.chunks : 0;
}

static void merge(const call *c, int64_t from, int64_t to, void *scratch) {
    work w = work_of(c);
    vec_format f = vec_format_of(c->out[0].format);
    (void)scratch;
    for (int64_t piece = from; piece < to; piece++) {
        int64_t o = piece / w.chunks, column = piece % w.chunks * COLUMNS;
        sum_chunk(VEC_F32, f, false, c->scratch, c->out[0].data, o * w.blocks * w.inner + column,
                  o * w.inner + column, w.blocks, w.inner, MIN_OF(COLUMNS, w.inner - column),
                  w.count);
    }
}

static bool supports(const kernel_query *q, reason *why) {
    const reduce_params *p = q->node->params;
    if (!flat_supports(q, why)) return false;
    if (q->in[0]->format != q->out[0]->format) return refuse(why, "x and y differ in format");
    int64_t runs = p->axes & ~(p->axes << 1); /* the first axis of each run of reduced ones */
    return !(runs & (runs - 1)) || refuse(why, "the reduced axes do not lie side by side");
}

#define REDUCE(id, how)                                                                            \
    static const kernel_def kernel_##id = {.name = "avx512." #id,                                  \
                                           .op = &op_##id,                                         \
                                           .isa = "avx512",                                        \
                                           .order = 1,                                             \
                                           .supports = supports,                                   \
                                           .shared_bytes = shared_bytes,                           \
                                           .units = units,                                         \
                                           .run = how,                                             \
                                           .merge_units = merge_units,                             \
                                           .merge = merge,                                         \
                                           .tolerance = 0x1p-15};

REDUCE(sum, run)
REDUCE(sum_squares, run_squares)
REDUCE(mean, run)

const kernel_def *const kernels_avx512_reduce[] = {&kernel_sum, &kernel_sum_squares, &kernel_mean,
                                                   NULL};
