/* Rows picked by ids, and rows added back. Adding back first chains the ids that name one row, in their order, in the
 * shared scratch; then every row of the output is the sum over its chain in f32, written once. An id that is negative
 * or past the end picks zeros and adds nothing. */
#ifndef KERN_KIT_PICK_H
#define KERN_KIT_PICK_H

#include "kern/kit/rows.h"
#include "ops/gather.h"
#include <string.h>

enum { ROWS, IDS };

/* Elements of all axes but the first. */
static int64_t width_of(const tensor *t) {
    int64_t n = 1;
    for (int32_t d = 1; d < t->rank; d++) n *= t->dim[d];
    return n;
}
static int64_t units(const call *c) {
    return div_up(c->out[0].dim[0], rows_in_unit(width_of(&c->out[0])));
}

ALWAYS_INLINE void copy_row(vec_format fx, vec_format fy, const void *x, void *y, int64_t from,
                            int64_t to, int64_t n) {
    for (int64_t i = 0; i < n; i += VEC) {
        vec_part part = vec_first(n - i);
        vec_store_some(fy, y, to + i, part, vec_load_some(fx, x, from + i, part));
    }
}

static void zero_row(void *y, int64_t bytes, int64_t row) {
    if (bytes) memset((char *)y + row * bytes, 0, (size_t)bytes);
}

static void run_pick(const call *c, int64_t from, int64_t to, void *scratch) {
    const tensor *x = &c->in[ROWS], *y = &c->out[0];
    const int32_t *ids = c->in[IDS].data;
    vec_format fx = vec_format_of(x->format), fy = vec_format_of(y->format);
    int64_t n = width_of(y), step = rows_in_unit(n), row_bytes = n * vec_bytes(fy);
    (void)scratch;
    for (int64_t r = from * step; r < MIN_OF(to * step, y->dim[0]); r++) {
        int64_t at = ids[r] * n;
        if (ids[r] < 0 || ids[r] >= x->dim[0])
            zero_row(y->data, row_bytes, r);
        else if (fx == fy && row_bytes)
            memcpy((char *)y->data + r * row_bytes, (const char *)x->data + ids[r] * row_bytes,
                   (size_t)row_bytes);
        else if (fx == VEC_F32 && fy == VEC_BF16)
            copy_row(VEC_F32, VEC_BF16, x->data, y->data, at, r * n, n);
        else if (fx == VEC_BF16 && fy == VEC_F32)
            copy_row(VEC_BF16, VEC_F32, x->data, y->data, at, r * n, n);
        else
            copy_row(fx, fy, x->data, y->data, at, r * n, n);
    }
}

/* In the shared scratch: the first place in ids of each row of the output, then the next of each place; -1 ends. */
static int64_t chain_bytes(const call *c) {
    return (c->out[0].dim[0] + c->in[IDS].dim[0]) * (int64_t)sizeof(int32_t);
}
static int64_t chain_units(const call *c) {
    return c->out[0].dim[0] > 0;
}
static void chain(const call *c, int64_t from, int64_t to, void *scratch) {
    const int64_t rows = c->out[0].dim[0];
    const int32_t *ids = c->in[IDS].data;
    int32_t *first = c->scratch, *next = first + rows;
    (void)scratch;
    if (from == to) return;
    memset(first, 0xff, (size_t)rows * sizeof *first);
    for (int64_t i = c->in[IDS].dim[0] - 1; i >= 0; i--) {
        if (ids[i] < 0 || ids[i] >= rows) continue;
        next[i] = first[ids[i]];
        first[ids[i]] = (int32_t)i;
    }
}

/* Columns [i, i + 16 * width) of a row, the last of them under `part`. */
ALWAYS_INLINE void add_columns(vec_format f, const call *c, int32_t first, int64_t row, int64_t n,
                               int64_t i, int width, vec_part part) {
    const int32_t *next = (const int32_t *)c->scratch + c->out[0].dim[0];
    vec sum[8];
    for (int k = 0; k < width; k++) sum[k] = vec_zero();
    for (int32_t at = first; at >= 0; at = next[at])
        for (int k = 0; k < width; k++) {
            int64_t from = at * n + i + 16 * k;
            sum[k] = vec_add(sum[k], vec_load_some(f, c->in[ROWS].data, from, part));
        }
    for (int k = 0; k < width; k++)
        vec_store_some(f, c->out[0].data, row * n + i + 16 * k, part, sum[k]);
}

ALWAYS_INLINE void add_rows(vec_format f, const call *c, int64_t from, int64_t to) {
    const int32_t *first = c->scratch;
    int64_t n = width_of(&c->out[0]), step = rows_in_unit(n);
    for (int64_t r = from * step; r < MIN_OF(to * step, c->out[0].dim[0]); r++) {
        int64_t i = 0;
        if (first[r] < 0) {
            zero_row(c->out[0].data, n * vec_bytes(f), r);
            continue;
        }
        for (; i + 128 <= n; i += 128) add_columns(f, c, first[r], r, n, i, 8, VEC_ALL);
        for (; i < n; i += 16) add_columns(f, c, first[r], r, n, i, 1, vec_first(n - i));
    }
}

static void run_add(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    VEC_WITH_FORMAT(vec_format_of(c->out[0].format), add_rows(F, c, from, to));
}

static bool supports(const kernel_query *q, reason *why) {
    if (strcmp(q->in[IDS]->format->name, "i32"))
        return refuse(why, "ids are %s", q->in[IDS]->format->name);
    kernel_query floats = *q;
    floats.in[IDS] = NULL;
    if (q->node->op == &op_scatter_add) floats.in[2] = NULL; /* lends its shape only */
    return flat_supports(&floats, why);
}

#define PICK(id)                                                                                   \
    static const kernel_def kernel_##id = {VEC_KERNEL(id), .supports = supports, .units = units,   \
                                           .run = run_pick, .tolerance = 0x1p-24};

PICK(embedding)
PICK(gather)

static const kernel_def kernel_scatter_add = {VEC_KERNEL(scatter_add),
                                              .supports = supports,
                                              .shared_bytes = chain_bytes,
                                              .prepare_units = chain_units,
                                              .prepare = chain,
                                              .units = units,
                                              .run = run_add,
                                              .tolerance = 0x1p-18};

const kernel_def *const VEC_NAME(pick)[] = {&kernel_embedding, &kernel_gather, &kernel_scatter_add,
                                            NULL};

#endif
