/* Rounding rows to int8_g32, bit for bit as num/family/ints.c packs, 32 codes under scale = largest / 127; and to
 * int8_row, whose rows have one such scale (num/kit/int8.h). */
#ifndef KERN_KIT_QUANTISE_H
#define KERN_KIT_QUANTISE_H

#include "kern/kit/rows.h"
#include "ops/cast.h"
#include <string.h>

enum { BLOCK = 32, BLOCK_BYTES = 4 + BLOCK };

static bool supports(const kernel_query *q, reason *why) {
    const num_format *to = ((const cast_params *)q->node->params)->format;
    if (strcmp(to->name, "int8_g32") != 0 && strcmp(to->name, "int8_row") != 0)
        return refuse(why, "to %s, not int8_g32 or int8_row", to->name);
    return vec_format_of(q->in[0]->format) != VEC_NONE ||
           refuse(why, "operand 0 is %s", q->in[0]->format->name);
}

ALWAYS_INLINE vec_ints whole_of(vec x, float scale) {
    x = vec_div(x, vec_set(scale));
    return vec_ints_of(vec_max(vec_set(-127), vec_min(vec_set(127), x)));
}

/* Codes of a group are stored as code + 128. */
ALWAYS_INLINE vec_ints codes_of(vec x, float scale) {
    return vec_ints_xor(whole_of(x, scale), vec_ints_set(-128));
}

ALWAYS_INLINE void round_block(vec low, vec high, char *out) {
    const vec_ints most = vec_ints_set(0x7f7fffff); /* the largest finite */
    vec a = vec_abs(low), b = vec_abs(high);
    float scale = vec_largest(vec_max(a, b)) / 127.0f;
    if (vec_any(vec_ints_less(most, vec_bits(a))) || vec_any(vec_ints_less(most, vec_bits(b))))
        scale = NAN;
    memcpy(out, &scale, 4);
    if (scale > 0) {
        vec_store_bytes((int8_t *)out + 4, codes_of(low, scale));
        vec_store_bytes((int8_t *)out + 20, codes_of(high, scale));
    } else {
        memset(out + 4, 0x80, BLOCK);
    }
}

/* Values from `at` on to [f32 scale][codes]. */
ALWAYS_INLINE void round_row(vec_format f, const void *x, int64_t at, int64_t n, char *out) {
    const vec_ints most = vec_ints_set(0x7f7fffff);
    vec top = vec_set(0);
    bool finite = true;
    for (int64_t i = 0; i < n; i += VEC) {
        vec a = vec_abs(vec_load_some(f, x, at + i, vec_first(n - i)));
        finite &= !vec_any(vec_ints_less(most, vec_bits(a)));
        top = vec_max(top, a);
    }
    float scale = finite ? vec_largest(top) / 127.0f : NAN;
    memcpy(out, &scale, 4);
    out += 4;
    for (int64_t i = 0; i < n; i += VEC) {
        int8_t codes[VEC] = {0};
        if (scale > 0)
            vec_store_bytes(codes, whole_of(vec_load_some(f, x, at + i, vec_first(n - i)), scale));
        memcpy(out + i, codes, (size_t)MIN_OF(VEC, n - i));
    }
}

ALWAYS_INLINE void run_rows(vec_format f, const call *c, int64_t from, int64_t to) {
    const void *x = c->in[0].data;
    int64_t n = rows_columns(&c->out[0]), row_bytes = num_row_bytes(c->out[0].format, n);
    rows_range(&c->out[0], &from, &to);
    for (int64_t r = from; r < to && c->out[0].format->row_head_bytes; r++)
        round_row(f, x, r * n, n, (char *)c->out[0].data + r * row_bytes);
    if (c->out[0].format->row_head_bytes) return;
    for (int64_t r = from; r < to; r++) {
        char *out = (char *)c->out[0].data + r * row_bytes;
        for (int64_t i = 0; i < n; i += BLOCK, out += BLOCK_BYTES)
            round_block(vec_load_some(f, x, r * n + i, vec_first(n - i)),
                        vec_load_some(f, x, r * n + i + VEC, vec_first(n - i - VEC)), out);
    }
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    VEC_WITH_FORMAT(vec_format_of(c->in[0].format), run_rows(F, c, from, to));
}

static const kernel_def kernel_quantise = {VEC_KERNEL(quantise), .supports = supports,
                                           .units = rows_units, .run = run, .tolerance = 0x1p-24};

const kernel_def *const VEC_NAME(quantise)[] = {&kernel_quantise, NULL};

#endif
