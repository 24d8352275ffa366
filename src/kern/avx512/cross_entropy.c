/* Cross-entropy over a row of logits: its largest, then the sum of exponentials, both over 64 lanes joined by one
 * tree; the backward writes a row in one pass. A unit is one row or several short ones. */
#include "kern/kit/rows_avx512.h"
#include "ops/cross_entropy.h"
#include <math.h>
#include <string.h>

ALWAYS_INLINE float row_lse(vec_format f, const void *x, int64_t at, int64_t n) {
    const __m512 least = vec_set(-INFINITY);
    __m512 top[4], sum[4];
    for (int k = 0; k < 4; k++) top[k] = least, sum[k] = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (int k = 0; k < 4; k++) top[k] = _mm512_max_ps(vec_load(f, x, at + i + 16 * k), top[k]);
    for (int k = 0; i < n; i += 16, k++) {
        __mmask16 keep = vec_mask(n - i);
        top[k] = _mm512_mask_max_ps(top[k], keep, vec_load_some(f, x, at + i, keep), top[k]);
    }
    top[0] = _mm512_max_ps(_mm512_max_ps(top[0], top[1]), _mm512_max_ps(top[2], top[3]));
    float most = _mm512_reduce_max_ps(top[0]);
    const __m512 shift = vec_set(most);
    for (i = 0; i + 64 <= n; i += 64)
        for (int k = 0; k < 4; k++)
            sum[k] = _mm512_add_ps(sum[k],
                                   vec_exp(_mm512_sub_ps(vec_load(f, x, at + i + 16 * k), shift)));
    for (int k = 0; i < n; i += 16, k++) {
        __mmask16 keep = vec_mask(n - i);
        __m512 e = vec_exp(_mm512_sub_ps(vec_load_some(f, x, at + i, keep), shift));
        sum[k] = _mm512_mask_add_ps(sum[k], keep, sum[k], e);
    }
    sum[0] = _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3]));
    return most + logf(vec_sum(sum[0]));
}

static float number(const tensor *t, int64_t i) {
    return _mm512_cvtss_f32(vec_load_some(vec_format_of(t->format), t->data, i, 1));
}
static void put(const tensor *t, int64_t i, float x) {
    vec_store_some(vec_format_of(t->format), t->data, i, 1, vec_set(x));
}

/* Rows of the logits in a range of units. */
static int64_t units(const call *c) {
    const tensor *x = &c->in[CROSS_ENTROPY_LOGITS];
    return div_up(rows_count(x), rows_in_unit(rows_columns(x)));
}

static void run_forward(const call *c, int64_t from, int64_t to, void *scratch) {
    const cross_entropy_params *p = c->params;
    const tensor *x = &c->in[CROSS_ENTROPY_LOGITS], *weights = &c->in[CROSS_ENTROPY_WEIGHTS];
    const int32_t *targets = c->in[CROSS_ENTROPY_TARGETS].data;
    vec_format f = vec_format_of(x->format);
    int64_t n = rows_columns(x);
    (void)scratch;
    rows_range(x, &from, &to);
    for (int64_t r = from; r < to; r++) {
        float lse = f == VEC_F32    ? row_lse(VEC_F32, x->data, r * n, n)
                    : f == VEC_BF16 ? row_lse(VEC_BF16, x->data, r * n, n)
                                    : row_lse(VEC_F16, x->data, r * n, n);
        bool counts = targets[r] >= 0 && targets[r] < n;
        float loss = counts ? lse - number(x, r * n + targets[r]) + (float)p->z * lse * lse : 0;
        if (counts && weights->data) loss *= number(weights, r);
        if (c->out[0].data) put(&c->out[0], r, loss);
        if (c->out[1].data) put(&c->out[1], r, lse);
    }
}

ALWAYS_INLINE void row_back(vec_format f, const void *x, void *dx, int64_t at, int64_t n, float lse,
                            float spread) {
    const __m512 shift = vec_set(lse), times = vec_set(spread);
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 keep = vec_mask(n - i);
        __m512 e = vec_exp(_mm512_sub_ps(vec_load_some(f, x, at + i, keep), shift));
        vec_store_some(f, dx, at + i, keep, _mm512_mul_ps(times, e));
    }
}

static void run_back(const call *c, int64_t from, int64_t to, void *scratch) {
    const cross_entropy_params *p = c->params;
    const tensor *x = &c->in[CROSS_ENTROPY_LOGITS], *weights = &c->in[CROSS_ENTROPY_WEIGHTS];
    const tensor *dloss = &c->in[CROSS_ENTROPY_DLOSS], *dlse = &c->in[CROSS_ENTROPY_DLSE];
    const int32_t *targets = c->in[CROSS_ENTROPY_TARGETS].data;
    vec_format f = vec_format_of(x->format);
    int64_t n = rows_columns(x);
    (void)scratch;
    rows_range(x, &from, &to);
    for (int64_t r = from; r < to; r++) {
        float lse = number(&c->in[CROSS_ENTROPY_LSE], r), pull = 0, own = 0;
        bool counts = targets[r] >= 0 && targets[r] < n;
        if (counts && dloss->data) pull = number(dloss, r);
        if (counts && weights->data) pull *= number(weights, r);
        float spread = pull * (1 + 2 * (float)p->z * lse) + (dlse->data ? number(dlse, r) : 0);
        /* read before the row is written, which may be over it */
        if (counts) own = expf(number(x, r * n + targets[r]) - lse);
        if (f == VEC_F32)
            row_back(VEC_F32, x->data, c->out[0].data, r * n, n, lse, spread);
        else if (f == VEC_BF16)
            row_back(VEC_BF16, x->data, c->out[0].data, r * n, n, lse, spread);
        else
            row_back(VEC_F16, x->data, c->out[0].data, r * n, n, lse, spread);
        if (counts) put(&c->out[0], r * n + targets[r], spread * own - pull);
    }
}

static bool supports(const kernel_query *q, reason *why) {
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

static const kernel_def forward = {.name = "avx512.cross_entropy",
                                   .op = &op_cross_entropy,
                                   .isa = "avx512",
                                   .order = 1,
                                   .supports = supports,
                                   .units = units,
                                   .run = run_forward,
                                   .tolerance = 0x1p-18};
static const kernel_def back = {.name = "avx512.cross_entropy_bwd",
                                .op = &op_cross_entropy_bwd,
                                .isa = "avx512",
                                .order = 1,
                                .supports = supports,
                                .units = units,
                                .run = run_back,
                                .tolerance = 0x1p-18};

const kernel_def *const kernels_avx512_cross_entropy[] = {&forward, &back, NULL};
