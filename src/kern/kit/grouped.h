/* Products with one matrix of many, chosen row by row. The rows are listed by group first; a unit is 64 columns
 * of one group's product (or 16 rows of one group's matrix, for grouped_outer), so a group's matrix is read once
 * for each strip of rows. Up to 4 rows x 4 vectors or columns wait in registers; where K is contiguous, sums lie
 * in 16 lanes and are joined at the end. An element's additions run over K (or the group's rows) in order,
 * whatever the strip. Matrices in blocks are unpacked four rows at a time, once for all rows of a group. */
#ifndef KERN_KIT_GROUPED_H
#define KERN_KIT_GROUPED_H

#include "dev/kernel.h"
#include "kern/kit/flat.h"
#include "ops/grouped_matmul.h"
#include <string.h>

enum { STRIP = 4, VECTORS = 4, CHUNK = VEC * VECTORS, MATRIX_ROWS = 16 };

/* ---- rows by group, in call.scratch: first row of each group [groups + 1], then next [rows]; -1 ends.
 * The last group is of rows without a matrix. ---- */

static int64_t list_bytes(const call *c) {
    int32_t w = c->node->op == &op_grouped_matmul ? GROUPED_W : GROUPED_OUTER_LIKE;
    grouped_extents e = grouped_extents_of(c, w);
    return (e.groups + 1 + e.rows) * (int64_t)sizeof(int32_t);
}

static int64_t one_unit(const call *c) {
    (void)c;
    return 1;
}

static void list_rows(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    if (from == to) return;
    int32_t w = c->node->op == &op_grouped_matmul ? GROUPED_W : GROUPED_OUTER_LIKE;
    grouped_extents e = grouped_extents_of(c, w);
    const int32_t *ids = c->in[GROUPED_IDS].data;
    int32_t *first = c->scratch, *next = first + e.groups + 1;
    memset(first, 0xff, (size_t)(e.groups + 1) * sizeof *first);
    for (int64_t r = e.rows - 1; r >= 0; r--) {
        int64_t g = ids[r] < 0 || ids[r] >= e.groups ? e.groups : ids[r];
        next[r] = first[g];
        first[g] = (int32_t)r;
    }
}

/* ---- grouped_matmul ---- */

static int64_t matmul_units(const call *c) {
    grouped_extents e = grouped_extents_of(c, GROUPED_W);
    return (e.groups + 1) * div_up(e.n, CHUNK);
}

static int64_t strip_stride(int64_t k) {
    return round_up(k, VEC);
}

static int64_t matmul_scratch(const call *c) {
    grouped_extents e = grouped_extents_of(c, GROUPED_W);
    return (STRIP * strip_stride(e.k) + STRIP * CHUNK + VECTORS * e.k) * (int64_t)sizeof(float);
}

typedef struct strip {
    float *x;      /* STRIP rows of strip_stride(k), zeros behind k */
    const void *w; /* of the group */
    float *y;      /* STRIP x CHUNK */
    int64_t n, k, column, columns;
    int64_t first; /* column's row of w, where K is contiguous */
} strip;

/* K contiguous: rows of w are columns of y. */
ALWAYS_INLINE void along(vec_format f, const strip *s) {
    for (int64_t j = 0; j < s->columns; j += VECTORS) {
        vec sum[STRIP][VECTORS];
        int64_t left = MIN_OF(VECTORS, s->columns - j), row[VECTORS];
        for (int v = 0; v < VECTORS; v++)
            row[v] = (s->first + j + MIN_OF(v, left - 1)) * s->k; /* a copy where none is left */
        for (int r = 0; r < STRIP; r++)
            for (int v = 0; v < VECTORS; v++) sum[r][v] = vec_zero();
        for (int64_t k = 0; k < s->k; k += VEC) {
            vec_part keep = vec_first(s->k - k);
            vec w[VECTORS];
            for (int v = 0; v < VECTORS; v++) w[v] = vec_load_some(f, s->w, row[v] + k, keep);
            for (int r = 0; r < STRIP; r++) {
                vec x = vec_load(VEC_F32, s->x + r * strip_stride(s->k) + k, 0);
                for (int v = 0; v < VECTORS; v++) sum[r][v] = vec_fma(x, w[v], sum[r][v]);
            }
        }
        for (int r = 0; r < STRIP; r++)
            for (int v = 0; v < left; v++) s->y[r * CHUNK + j + v] = vec_sum(sum[r][v]);
    }
}

/* Columns contiguous. */
ALWAYS_INLINE void across(vec_format f, const strip *s) {
    vec sum[STRIP][VECTORS];
    vec_part keep[VECTORS];
    for (int v = 0; v < VECTORS; v++) keep[v] = vec_first(MAX_OF(0, s->columns - VEC * v));
    for (int r = 0; r < STRIP; r++)
        for (int v = 0; v < VECTORS; v++) sum[r][v] = vec_zero();
    for (int64_t k = 0; k < s->k; k++) {
        vec w[VECTORS];
        for (int v = 0; v < VECTORS; v++)
            w[v] = vec_load_some(f, s->w, k * s->n + s->column + VEC * v, keep[v]);
        for (int r = 0; r < STRIP; r++) {
            vec x = vec_set(s->x[r * strip_stride(s->k) + k]);
            for (int v = 0; v < VECTORS; v++) sum[r][v] = vec_fma(x, w[v], sum[r][v]);
        }
    }
    for (int r = 0; r < STRIP; r++)
        for (int v = 0; v < VECTORS; v++) vec_store(VEC_F32, s->y, r * CHUNK + VEC * v, sum[r][v]);
}

static void multiply(bool is_across, vec_format f, const strip *s) {
    if (is_across)
        VEC_WITH_FORMAT(f, across(F, s));
    else
        VEC_WITH_FORMAT(f, along(F, s));
}

/* Rows of x as floats, with zeros behind; rows that are missing keep what was there. */
static void widen_row(const tensor *x, int64_t row, int64_t k, float *out) {
    vec_format f = vec_format_of(x->format);
    for (int64_t i = 0; i < k; i += VEC)
        vec_store(VEC_F32, out, i, vec_load_some(f, x->data, row * k + i, vec_first(k - i)));
}

static void store_row(const call *c, const strip *s, int64_t group, int64_t row, const float *y) {
    const tensor *bias = &c->in[GROUPED_BIAS], *out = &c->out[0];
    for (int64_t j = 0; j < s->columns; j += VEC) {
        vec_part keep = vec_first(s->columns - j);
        vec sum = vec_load_some(VEC_F32, y, j, keep);
        if (bias->data)
            sum = vec_add(sum, vec_load_some(vec_format_of(bias->format), bias->data,
                                             group * s->n + s->column + j, keep));
        vec_store_some(vec_format_of(out->format), out->data, row * s->n + s->column + j, keep,
                       sum);
    }
}

static void zero_rows(const call *c, const strip *s, const int32_t *next, int32_t at) {
    vec_format f = vec_format_of(c->out[0].format);
    for (; at >= 0; at = next[at])
        for (int64_t j = 0; j < s->columns; j += VEC)
            vec_store_some(f, c->out[0].data, at * s->n + s->column + j, vec_first(s->columns - j),
                           vec_zero());
}

/* The strip's columns for all rows of the group, which are listed from `at`. */
static void multiply_rows(const call *c, vec_format f, const strip *s, int64_t group, int32_t at) {
    const grouped_matmul_params *p = c->params;
    grouped_extents e = grouped_extents_of(c, GROUPED_W);
    const int32_t *next = (const int32_t *)c->scratch + e.groups + 1;
    while (at >= 0) {
        int32_t rows[STRIP];
        int count = 0;
        for (; count < STRIP && at >= 0; at = next[at]) {
            widen_row(&c->in[GROUPED_X], grouped_x_row(&e, at), e.k,
                      s->x + count * strip_stride(e.k));
            rows[count++] = at;
        }
        multiply(p->across, f, s);
        for (int r = 0; r < count; r++) store_row(c, s, group, rows[r], s->y + r * CHUNK);
    }
}

/* The same where w is in blocks: rows of w are unpacked a few at a time, once for all rows of x. */
static void multiply_blocks(const call *c, strip *s, int64_t group, int32_t at, float *ready) {
    const tensor *w = &c->in[GROUPED_W];
    int64_t end = s->column + s->columns, row_bytes = num_row_bytes(w->format, s->k);
    if (at < 0) return;
    s->w = ready;
    s->first = 0;
    for (; s->column < end; s->column += VECTORS) {
        s->columns = MIN_OF(VECTORS, end - s->column);
        for (int64_t v = 0; v < s->columns; v++)
            w->format->unpack((const char *)w->data + (group * s->n + s->column + v) * row_bytes, 0,
                              s->k, ready + v * s->k);
        multiply_rows(c, VEC_F32, s, group, at);
    }
}

static void matmul_run(const call *c, int64_t from, int64_t to, void *scratch) {
    grouped_extents e = grouped_extents_of(c, GROUPED_W);
    const int32_t *first = c->scratch, *next = first + e.groups + 1;
    const tensor *w = &c->in[GROUPED_W];
    vec_format f = vec_format_of(w->format);
    int64_t chunks = div_up(e.n, CHUNK), stride = strip_stride(e.k);
    float *x = scratch, *y = x + STRIP * stride, *ready = y + STRIP * CHUNK;
    memset(x, 0, (size_t)(STRIP * stride) * sizeof *x);
    for (int64_t u = from; u < to; u++) {
        int64_t group = u / chunks, column = u % chunks * CHUNK;
        strip s = {.x = x,
                   .y = y,
                   .n = e.n,
                   .k = e.k,
                   .column = column,
                   .columns = MIN_OF(CHUNK, e.n - column),
                   .first = column};
        if (group == e.groups) {
            zero_rows(c, &s, next, first[group]);
        } else if (f == VEC_NONE) {
            multiply_blocks(c, &s, group, first[group], ready);
        } else {
            s.w = (const char *)w->data + group * e.n * e.k * vec_bytes(f);
            multiply_rows(c, f, &s, group, first[group]);
        }
    }
}

static bool matmul_supports(const kernel_query *q, reason *why) {
    const num_format *w = q->in[GROUPED_W]->format;
    bool across = ((const grouped_matmul_params *)q->node->params)->across;
    if (w->kind == NUM_BLOCK && across)
        return refuse(why, "the matrices are %s and multiplied across their blocks", w->name);
    for (int32_t i = GROUPED_X; i < GROUPED_OPERANDS; i++)
        if (i != GROUPED_IDS && !(i == GROUPED_W && w->kind == NUM_BLOCK) && q->in[i] &&
            vec_format_of(q->in[i]->format) == VEC_NONE)
            return refuse(why, "operand %d is %s", i, q->in[i]->format->name);
    if (strcmp(q->in[GROUPED_IDS]->format->name, "i32") != 0)
        return refuse(why, "ids are %s", q->in[GROUPED_IDS]->format->name);
    if (!q->out[0]) return refuse(why, "nobody reads the output");
    return vec_format_of(q->out[0]->format) != VEC_NONE ||
           refuse(why, "the output is %s", q->out[0]->format->name);
}

/* ---- grouped_outer: y[e][i, j] = sum over rows r of group e of a[r, i] b[r, j], where b is x, or dy
 * across ---- */

static int64_t outer_units(const call *c) {
    return c->out[0].dim[0] * div_up(c->out[0].dim[1], MATRIX_ROWS);
}

typedef struct factors {
    const void *a, *b;
    bool a_is_x; /* whose rows may be shared by choices */
    int64_t i_count, j_count;
} factors;

/* Rows i .. i + STRIP and columns j .. j + CHUNK of one group's matrix. */
ALWAYS_INLINE void outer_tile(vec_format f, const call *c, const grouped_extents *e,
                              const factors *m, int64_t group, int64_t i, int64_t j) {
    const int32_t *first = c->scratch, *next = first + e->groups + 1;
    vec sum[STRIP][VECTORS];
    vec_part keep[VECTORS];
    const int64_t left = MIN_OF(STRIP, m->i_count - i);
    for (int v = 0; v < VECTORS; v++) keep[v] = vec_first(MAX_OF(0, m->j_count - j - VEC * v));
    for (int r = 0; r < STRIP; r++)
        for (int v = 0; v < VECTORS; v++) sum[r][v] = vec_zero();
    for (int32_t at = first[group]; at >= 0; at = next[at]) {
        int64_t shared = grouped_x_row(e, at);
        int64_t a_row = m->a_is_x ? shared : at, b_row = m->a_is_x ? at : shared;
        vec b[VECTORS];
        for (int v = 0; v < VECTORS; v++)
            b[v] = vec_load_some(f, m->b, b_row * m->j_count + j + VEC * v, keep[v]);
        for (int r = 0; r < STRIP; r++) {
            vec one = vec_set(r < left ? vec_number(f, m->a, a_row * m->i_count + i + r) : 0);
            for (int v = 0; v < VECTORS; v++) sum[r][v] = vec_fma(one, b[v], sum[r][v]);
        }
    }
    vec_format to = vec_format_of(c->out[0].format);
    for (int64_t r = 0; r < left; r++)
        for (int v = 0; v < VECTORS; v++)
            vec_store_some(to, c->out[0].data,
                           (group * m->i_count + i + r) * m->j_count + j + VEC * v, keep[v],
                           sum[r][v]);
}

static void outer_run(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    bool is_across = ((const grouped_matmul_params *)c->params)->across;
    grouped_extents e = grouped_extents_of(c, GROUPED_OUTER_LIKE);
    const void *x = c->in[GROUPED_OUTER_X].data, *dy = c->in[GROUPED_OUTER_DY].data;
    factors m = {.a = is_across ? x : dy,
                 .b = is_across ? dy : x,
                 .a_is_x = is_across,
                 .i_count = is_across ? e.k : e.n,
                 .j_count = is_across ? e.n : e.k};
    vec_format f = vec_format_of(c->in[GROUPED_OUTER_X].format);
    int64_t chunks = div_up(m.i_count, MATRIX_ROWS);
    for (int64_t u = from; u < to; u++) {
        int64_t begin = u % chunks * MATRIX_ROWS, end = MIN_OF(m.i_count, begin + MATRIX_ROWS);
        for (int64_t i = begin; i < end; i += STRIP)
            for (int64_t j = 0; j < m.j_count; j += CHUNK)
                VEC_WITH_FORMAT(f, outer_tile(F, c, &e, &m, u / chunks, i, j));
    }
}

static bool outer_supports(const kernel_query *q, reason *why) {
    const num_format *x = q->in[GROUPED_OUTER_X]->format, *dy = q->in[GROUPED_OUTER_DY]->format;
    if (vec_format_of(x) == VEC_NONE || x != dy)
        return refuse(why, "x and dy are %s and %s", x->name, dy->name);
    if (strcmp(q->in[GROUPED_IDS]->format->name, "i32") != 0)
        return refuse(why, "ids are %s", q->in[GROUPED_IDS]->format->name);
    if (!q->out[0]) return refuse(why, "nobody reads the output");
    return vec_format_of(q->out[0]->format) != VEC_NONE ||
           refuse(why, "the output is %s", q->out[0]->format->name);
}

static const kernel_def kernel_matmul = {
    VEC_KERNEL(grouped_matmul), .supports = matmul_supports, .scratch_bytes = matmul_scratch,
    .shared_bytes = list_bytes, .prepare_units = one_unit,   .prepare = list_rows,
    .units = matmul_units,      .run = matmul_run,           .tolerance = 1e-6};
static const kernel_def kernel_outer = {VEC_KERNEL(grouped_outer),  .supports = outer_supports,
                                        .shared_bytes = list_bytes, .prepare_units = one_unit,
                                        .prepare = list_rows,       .units = outer_units,
                                        .run = outer_run,           .tolerance = 1e-6};

const kernel_def *const VEC_NAME(grouped)[] = {&kernel_matmul, &kernel_outer, NULL};

#endif
