/* Cross-entropy over a row of logits, which is read once: the shift is the largest of the row's beginning, and
 * exponentials are summed over 64 lanes, joined by one tree. Should a block make a lane's sum so large that a logit may
 * lie far above the shift, then the block, which is still in an inner cache, is looked at again, the sum so far shrinks
 * and the block is summed anew. The backward writes a row in one pass. A unit is one row or several short ones. */
#ifndef KERN_KIT_CROSS_ENTROPY_H
#define KERN_KIT_CROSS_ENTROPY_H

#include "kern/kit/exponentials.h"
#include "ops/cross_entropy.h"
#include <string.h>

enum { ENTROPY_FIRST = 1024, ENTROPY_BLOCK = 32768, ENTROPY_ABOVE = 8, ENTROPY_LANE = 1 << 14 };

/* The largest of the first stretch in which there is any; 0 if there is none. */
ALWAYS_INLINE float first_shift(vec_format f, const void *x, int64_t at, int64_t n) {
    float most = -INFINITY;
    for (int64_t i = 0; i < n && most == -INFINITY; i += ENTROPY_FIRST)
        most = exponentials_largest(f, x, at + i, at + MIN_OF(n, i + ENTROPY_FIRST));
    return most == -INFINITY ? 0 : most;
}

ALWAYS_INLINE float row_lse(vec_format f, const void *x, int64_t at, int64_t n) {
    float shift = first_shift(f, x, at, n);
    vec sum[4], before[4];
    for (int k = 0; k < 4; k++) sum[k] = vec_zero();
    for (int64_t i = 0; i < n; i += ENTROPY_BLOCK) {
        int64_t end = MIN_OF(n, i + ENTROPY_BLOCK);
        for (int k = 0; k < 4; k++) before[k] = sum[k];
        exponentials_add(f, x, at + i, at + end, shift, sum);
        vec lane = vec_max(vec_max(sum[0], sum[1]), vec_max(sum[2], sum[3]));
        if (!vec_any(vec_less(vec_set(ENTROPY_LANE), lane))) continue;
        float top = exponentials_largest(f, x, at + i, at + end);
        if (top <= shift + ENTROPY_ABOVE) continue;
        float shrink = exp2f(exponentials_lift(top) - exponentials_lift(shift));
        for (int k = 0; k < 4; k++) sum[k] = vec_mul(before[k], vec_set(shrink));
        shift = top;
        exponentials_add(f, x, at + i, at + end, shift, sum);
    }
    return shift + logf(exponentials_total(f, shift, sum));
}

static void put(const tensor *t, int64_t i, float x) {
    vec_put(vec_format_of(t->format), t->data, i, x);
}

static int64_t entropy_units(const call *c) {
    const tensor *x = &c->in[CROSS_ENTROPY_LOGITS];
    return div_up(rows_count(x), rows_in_unit(rows_columns(x)));
}

ALWAYS_INLINE void entropy_rows(vec_format f, const call *c, int64_t from, int64_t to) {
    const cross_entropy_params *p = c->params;
    const tensor *x = &c->in[CROSS_ENTROPY_LOGITS], *weights = &c->in[CROSS_ENTROPY_WEIGHTS];
    const int32_t *targets = c->in[CROSS_ENTROPY_TARGETS].data;
    int64_t n = rows_columns(x);
    rows_range(x, &from, &to);
    for (int64_t r = from; r < to; r++) {
        float lse = row_lse(f, x->data, r * n, n);
        bool counts = targets[r] >= 0 && targets[r] < n;
        float loss =
            counts ? lse - flat_number(x, r * n + targets[r]) + (float)p->z * lse * lse : 0;
        if (counts && weights->data) loss *= flat_number(weights, r);
        if (c->out[0].data) put(&c->out[0], r, loss);
        if (c->out[1].data) put(&c->out[1], r, lse);
    }
}

static void entropy_run(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    VEC_WITH_FORMAT(vec_format_of(c->in[CROSS_ENTROPY_LOGITS].format),
                    entropy_rows(F, c, from, to));
}

ALWAYS_INLINE void entropy_rows_back(vec_format f, const call *c, int64_t from, int64_t to) {
    const cross_entropy_params *p = c->params;
    const tensor *x = &c->in[CROSS_ENTROPY_LOGITS], *weights = &c->in[CROSS_ENTROPY_WEIGHTS];
    const tensor *dloss = &c->in[CROSS_ENTROPY_DLOSS], *dlse = &c->in[CROSS_ENTROPY_DLSE];
    const int32_t *targets = c->in[CROSS_ENTROPY_TARGETS].data;
    int64_t n = rows_columns(x);
    rows_range(x, &from, &to);
    for (int64_t r = from; r < to; r++) {
        float lse = flat_number(&c->in[CROSS_ENTROPY_LSE], r), pull = 0, own = 0;
        bool counts = targets[r] >= 0 && targets[r] < n;
        if (counts && dloss->data) pull = flat_number(dloss, r);
        if (counts && weights->data) pull *= flat_number(weights, r);
        float spread = pull * (1 + 2 * (float)p->z * lse) + (dlse->data ? flat_number(dlse, r) : 0);
        /* read before the row is written, which may be over it */
        if (counts) own = expf(flat_number(x, r * n + targets[r]) - lse);
        exponentials_write(f, x->data, c->out[0].data, r * n, (r + 1) * n, lse, spread);
        if (counts) put(&c->out[0], r * n + targets[r], spread * own - pull);
    }
}

static void entropy_run_back(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    VEC_WITH_FORMAT(vec_format_of(c->in[CROSS_ENTROPY_LOGITS].format),
                    entropy_rows_back(F, c, from, to));
}

static bool entropy_supports(const kernel_query *q, reason *why) {
    const type *targets = q->in[CROSS_ENTROPY_TARGETS];
    if (strcmp(targets->format->name, "i32"))
        return refuse(why, "targets are %s", targets->format->name);
    kernel_query floats = *q;
    floats.in[CROSS_ENTROPY_TARGETS] = NULL;
    if (!flat_supports(&floats, why)) return false;
    if (q->node->op != &op_cross_entropy_bwd) return true;
    return q->out[0]->format == q->in[CROSS_ENTROPY_LOGITS]->format ||
           refuse(why, "the gradient's format differs from the logits'");
}

static const kernel_def kernel_cross_entropy = {
    VEC_KERNEL(cross_entropy), .supports = entropy_supports, .units = entropy_units,
    .run = entropy_run, .tolerance = 0x1p-18};
static const kernel_def kernel_cross_entropy_bwd = {
    VEC_KERNEL(cross_entropy_bwd), .supports = entropy_supports, .units = entropy_units,
    .run = entropy_run_back, .tolerance = 0x1p-18};

const kernel_def *const VEC_NAME(cross_entropy)[] = {&kernel_cross_entropy,
                                                     &kernel_cross_entropy_bwd, NULL};

#endif
