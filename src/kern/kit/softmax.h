/* Softmax over rows and its logarithm. Largest and sum are taken over 64 lanes joined by one tree. */
#ifndef KERN_KIT_SOFTMAX_H
#define KERN_KIT_SOFTMAX_H

#include "kern/kit/exponentials.h"
#include "ops/softmax.h"

ALWAYS_INLINE vec softmax_log_step(const void *context, int64_t i, vec_part part) {
    const exponentials *j = context;
    vec x = vec_sub(vec_load_some(j->f, j->x, i, part), j->shift);
    return vec_sub(x, j->times);
}

ALWAYS_INLINE void run_rows(vec_format f, const call *c, int64_t from, int64_t to, bool logarithm) {
    const void *x = c->in[0].data;
    void *y = c->out[0].data;
    int64_t n = rows_columns(&c->out[0]);
    rows_range(&c->out[0], &from, &to);
    for (int64_t r = from * n; r < to * n; r += n) {
        vec sum[4];
        for (int k = 0; k < 4; k++) sum[k] = vec_zero();
        float shift = exponentials_largest(f, x, r, r + n);
        exponentials_add(f, x, r, r + n, shift, sum);
        float total = exponentials_total(f, shift, sum);
        if (logarithm) {
            const exponentials j = {
                .f = f, .x = x, .shift = vec_set(shift), .times = vec_set(logf(total))};
            vec_map(f, y, r, r + n, &j, softmax_log_step);
        } else {
            exponentials_write(f, x, y, r, r + n, shift, 1 / total);
        }
    }
}

ROWS_KERNEL(softmax, false)
ROWS_KERNEL(log_softmax, true)

const kernel_def *const VEC_NAME(softmax)[] = {&kernel_softmax, &kernel_log_softmax, NULL};

#endif
