/* Softmax over rows and its logarithm. Largest and sum are taken over 16 lanes joined by one tree. */
#include "kern/kit/rows_avx512.h"
#include "ops/softmax.h"
#include <math.h>

ALWAYS_INLINE void run_row(vec_format f, const void *x, void *y, int64_t at, int64_t n,
                           bool logarithm) {
    __m512 top = vec_set(-INFINITY), sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 keep = vec_mask(n - i);
        top = _mm512_mask_max_ps(top, keep, vec_load_some(f, x, at + i, keep), top);
    }
    __m512 shift = vec_set(_mm512_reduce_max_ps(top));
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 keep = vec_mask(n - i);
        __m512 e = vec_exp(_mm512_sub_ps(vec_load_some(f, x, at + i, keep), shift));
        sum = _mm512_mask_add_ps(sum, keep, sum, e);
    }
    float total = vec_sum(sum);
    __m512 factor = vec_set(1 / total), less = vec_set(logf(total));
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 keep = vec_mask(n - i);
        __m512 v = _mm512_sub_ps(vec_load_some(f, x, at + i, keep), shift);
        v = logarithm ? _mm512_sub_ps(v, less) : _mm512_mul_ps(vec_exp(v), factor);
        vec_store_some(f, y, at + i, keep, v);
    }
}

ALWAYS_INLINE void run_rows(vec_format f, const call *c, int64_t from, int64_t to, bool logarithm) {
    int64_t n = rows_columns(&c->out[0]);
    rows_range(&c->out[0], &from, &to);
    for (int64_t r = from; r < to; r++)
        run_row(f, c->in[0].data, c->out[0].data, r * n, n, logarithm);
}

ROWS_KERNEL(softmax, false)
ROWS_KERNEL(log_softmax, true)

const kernel_def *const kernels_avx512_softmax[] = {&kernel_softmax, &kernel_log_softmax, NULL};
