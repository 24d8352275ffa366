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

/* Rows of whole panels without an activation: the same sums without masks and tests. */
ALWAYS_INLINE void finish_panel(const matmul_epilogue *e, vec_format out, bool bias, bool rest,
                                vec_format rest_format, const float *acc, int64_t rows) {
    vec own[PANEL / VEC];
    for (int i = 0; i < PANEL / VEC && bias; i++)
        own[i] = vec_load_some(plain(e->bias_bf16), e->bias, i * VEC, VEC_ALL);
    for (int64_t r = 0, at = 0; r < rows; r++, acc += PANEL, at += e->stride)
        for (int i = 0; i < PANEL / VEC; i += 2) {
            vec x[2];
            for (int k = 0; k < 2; k++) {
                x[k] = vec_load_f32(acc + (i + k) * VEC, VEC_ALL);
                if (bias) x[k] = vec_add(x[k], own[i + k]);
                if (rest) x[k] = vec_add(x[k], vec_load(rest_format, e->rest, at + (i + k) * VEC));
            }
            vec_store_two(out, e->out, at + i * VEC, x[0], x[1]);
        }
}

ALWAYS_INLINE void finish_with(const matmul_epilogue *e, vec_format out, bool bias,
                               const float *acc, int64_t rows) {
    if (!e->rest)
        finish_panel(e, out, bias, false, VEC_F32, acc, rows);
    else if (e->rest_bf16)
        finish_panel(e, out, bias, true, VEC_BF16, acc, rows);
    else
        finish_panel(e, out, bias, true, VEC_F32, acc, rows);
}

ALWAYS_INLINE void finish_plain(const matmul_epilogue *e, vec_format out, const float *acc,
                                int64_t rows) {
    if (e->bias)
        finish_with(e, out, true, acc, rows);
    else
        finish_with(e, out, false, acc, rows);
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
    bool whole = columns == PANEL && !e->act;
    vec_format out = plain(e->out_bf16);
    if (!whole || (e->row && (e->bias || e->rest)))
        for (int64_t r = 0; r < rows; r++) finish_row(e, acc + r * PANEL, r, columns);
    else if (e->row && out == VEC_BF16)
        finish_codes(e, VEC_BF16, acc, rows);
    else if (e->row)
        finish_codes(e, VEC_F32, acc, rows);
    else if (out == VEC_BF16)
        finish_plain(e, VEC_BF16, acc, rows);
    else
        finish_plain(e, VEC_F32, acc, rows);
}

#endif
