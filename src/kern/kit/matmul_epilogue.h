/* y = act(acc + bias) + residual, 16 columns at a time, in f32; rounded once at the end. */
#ifndef KERN_KIT_MATMUL_EPILOGUE_H
#define KERN_KIT_MATMUL_EPILOGUE_H

#include "kern/kit/acts.h"
#include "kern/kit/matmul.h"

ALWAYS_INLINE vec_format plain(bool bf16) {
    return bf16 ? VEC_BF16 : VEC_F32;
}

static void finish_row(const matmul_epilogue *e, const float *acc, int64_t r, int64_t columns) {
    for (int64_t n = 0; n < columns; n += VEC) {
        vec_part part = vec_first(columns - n);
        vec x = vec_load_f32(acc + n, VEC_ALL);
        if (e->row) {
            vec_ints sum = vec_ints_sub(vec_bits(x), vec_ints_set(e->row[r].sum128));
            vec scale = vec_mul(vec_load_f32(e->scale + n, part), vec_set(e->row[r].scale));
            x = vec_mul(vec_of_ints(sum), scale);
        }
        if (e->bias) x = vec_add(x, vec_load_some(plain(e->bias_bf16), e->bias, n, part));
        if (e->act) x = vec_act(e->act, x, false); /* a residual may take off most of it */
        int64_t at = r * e->stride + n;
        if (e->rest) x = vec_add(x, vec_load_some(plain(e->rest_bf16), e->rest, at, part));
        vec_store_some(plain(e->out_bf16), e->out, at, part, x);
    }
}

ALWAYS_INLINE void store_row(vec_format f, char *out, int64_t at, const float *acc) {
    for (int64_t n = 0; n < PANEL; n += 2 * VEC)
        vec_store_two(f, out, at + n, vec_load(VEC_F32, acc, n), vec_load(VEC_F32, acc, n + VEC));
}

/* Rows of whole panels of int8 and nothing else. */
ALWAYS_INLINE void finish_codes(const matmul_epilogue *e, vec_format f, const float *acc,
                                int64_t rows) {
    vec scale[PANEL / VEC];
    for (int i = 0; i < PANEL / VEC; i++) scale[i] = vec_load_f32(e->scale + i * VEC, VEC_ALL);
    for (int64_t r = 0; r < rows; r++, acc += PANEL) {
        vec own = vec_set(e->row[r].scale);
        vec_ints sum128 = vec_ints_set(e->row[r].sum128);
        for (int i = 0; i < PANEL / VEC; i += 2) {
            vec x[2];
            for (int k = 0; k < 2; k++) {
                vec sum = vec_load_f32(acc + (i + k) * VEC, VEC_ALL);
                x[k] = vec_mul(vec_of_ints(vec_ints_sub(vec_bits(sum), sum128)),
                               vec_mul(scale[i + k], own));
            }
            vec_store_two(f, e->out, r * e->stride + i * VEC, x[0], x[1]);
        }
    }
}

ALWAYS_INLINE void finish_rows(const matmul_epilogue *e, const float *acc, int64_t rows,
                               int64_t columns) {
    bool bare = columns == PANEL && !e->bias && !e->act && !e->rest;
    if (bare && e->row) {
        if (e->out_bf16)
            finish_codes(e, VEC_BF16, acc, rows);
        else
            finish_codes(e, VEC_F32, acc, rows);
        return;
    }
    for (int64_t r = 0; r < rows; r++, acc += PANEL) {
        if (bare && e->out_bf16)
            store_row(VEC_BF16, e->out, r * e->stride, acc);
        else if (bare)
            store_row(VEC_F32, e->out, r * e->stride, acc);
        else
            finish_row(e, acc, r, columns);
    }
}

#endif
