/* The k largest of a row, kept sorted. Sixteen elements at a time are compared with the last of them; only what is not
 * below it (or NaN, which counts as largest) is looked at alone. */
#ifndef KERN_KIT_TOPK_H
#define KERN_KIT_TOPK_H

#include "kern/kit/rows.h"
#include "ops/topk.h"

typedef struct best {
    float x;
    int32_t at;
} best;

static int64_t topk_scratch(const call *c) {
    return ((const topk_params *)c->params)->k * (int64_t)sizeof(best);
}
static int64_t topk_units(const call *c) {
    return div_up(rows_count(&c->in[0]), rows_in_unit(rows_columns(&c->in[0])));
}

/* Of a later element: whether it comes before `other`. */
static bool comes_before(float x, float other) {
    return x != x ? other == other : x > other;
}

static void topk_insert(best *kept, int64_t *count, int64_t k, float x, int64_t at) {
    int64_t i = *count;
    if (i == k && !comes_before(x, kept[k - 1].x)) return;
    if (i < k) ++*count;
    for (i = *count - 1; i > 0 && comes_before(x, kept[i - 1].x); i--) kept[i] = kept[i - 1];
    kept[i] = (best){x, (int32_t)at};
}

ALWAYS_INLINE void topk_row(vec_format f, const void *x, int64_t at, int64_t n, best *kept,
                            int64_t k) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i += VEC) {
        vec_part part = vec_first(n - i);
        vec v = vec_load_some(f, x, at + i, part);
        vec_is below = vec_less_equal(v, vec_set(count == k ? kept[k - 1].x : INFINITY));
        float some[VEC];
        if (count == k && !vec_any(vec_is_not(below))) continue;
        vec_store_f32(some, VEC_ALL, v);
        for (int64_t e = 0; e < MIN_OF(VEC, n - i); e++)
            topk_insert(kept, &count, k, some[e], i + e);
    }
}

ALWAYS_INLINE void topk_rows(vec_format f, const call *c, int64_t from, int64_t to, best *kept) {
    const tensor *x = &c->in[0];
    int64_t n = rows_columns(x), k = ((const topk_params *)c->params)->k;
    int32_t *ids = c->out[1].data;
    rows_range(x, &from, &to);
    for (int64_t r = from; r < to; r++) {
        topk_row(f, x->data, r * n, n, kept, k);
        for (int64_t j = 0; j < k; j++) {
            if (c->out[0].data) vec_put(f, c->out[0].data, r * k + j, kept[j].x);
            if (ids) ids[r * k + j] = kept[j].at;
        }
    }
}

static void topk_run(const call *c, int64_t from, int64_t to, void *scratch) {
    VEC_WITH_FORMAT(vec_format_of(c->in[0].format), topk_rows(F, c, from, to, scratch));
}

static bool topk_supports(const kernel_query *q, reason *why) {
    kernel_query floats = *q;
    floats.out[1] = NULL;
    if (!flat_supports(&floats, why)) return false;
    return !q->out[0] || q->out[0]->format == q->in[0]->format ||
           refuse(why, "x and y differ in format");
}

static const kernel_def kernel_topk = {
    VEC_KERNEL(topk),    .supports = topk_supports, .scratch_bytes = topk_scratch,
    .units = topk_units, .run = topk_run,           .tolerance = 0};

const kernel_def *const VEC_NAME(topk)[] = {&kernel_topk, NULL};

#endif
