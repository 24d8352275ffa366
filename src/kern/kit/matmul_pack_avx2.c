/* Packing f32 and bf16 in tiles of 16 x 16 groups of 32 bits, as matmul_pack_avx512.c does and to the same bytes. */
#include "kern/kit/matmul.h"
#include "kern/kit/vec.h"

typedef enum source { F32_F32, BF16_F32, F32_BF16, BF16_BF16 } source;

static source source_of(matmul_kind kind, const matmul_view *v) {
    if (kind == MATMUL_F32) return v->f32 ? F32_F32 : BF16_F32;
    return v->f32 ? F32_BF16 : BF16_BF16;
}

ALWAYS_INLINE vec_part lanes(int64_t left) {
    return left >= VEC ? VEC_ALL : vec_first(left);
}
ALWAYS_INLINE vec_ints load_f32(const void *p, int64_t left) {
    return left >= VEC ? vec_load_ints(p, VEC_ALL) : vec_load_ints(p, vec_first(left));
}
ALWAYS_INLINE vec_ints load_half(const void *p, int64_t left) {
    return vec_ints_of_halves(vec_load_halves(p, lanes(left)));
}
ALWAYS_INLINE vec_ints load_rounded(const void *p, int64_t left) {
    return vec_ints_of_halves(vec_to_bf16(vec_of_bits(load_f32(p, left))));
}

/* Groups g..g+15 of the row at `row`. */
ALWAYS_INLINE vec_ints load_along(source s, const char *row, int64_t g, int64_t k) {
    uint16_t pairs[2 * VEC];
    switch (s) {
    case F32_F32:
        return load_f32(row + 4 * g, k - g);
    case BF16_F32:
        return vec_ints_left(load_half(row + 2 * g, k - g), 16);
    case BF16_BF16:
        if (k - 2 * g >= 2 * VEC) return vec_load_ints((const void *)(row + 4 * g), VEC_ALL);
        memset(pairs, 0, sizeof pairs);
        if (k > 2 * g) memcpy(pairs, row + 4 * g, (size_t)(k - 2 * g) * sizeof *pairs);
        break;
    default:
        vec_store_two_bf16(pairs, vec_of_bits(load_f32(row + 8 * g, k - 2 * g)),
                           vec_of_bits(load_f32(row + 8 * g + 64, k - 2 * g - VEC)));
    }
    return vec_load_ints((const void *)pairs, VEC_ALL);
}

/* Group g of neighbours at..at+15. */
ALWAYS_INLINE vec_ints load_across(source s, const matmul_view *v, int64_t g, int64_t at) {
    int64_t left = v->outer - at, k = s == F32_F32 || s == BF16_F32 ? g : 2 * g;
    if (k >= v->k) return vec_ints_set(0);
    const char *row = v->data + k * v->stride;
    const char *next = k + 1 < v->k ? row + v->stride : row;
    int64_t left_next = k + 1 < v->k ? left : 0;
    switch (s) {
    case F32_F32:
        return load_f32(row + 4 * at, left);
    case BF16_F32:
        return vec_ints_left(load_half(row + 2 * at, left), 16);
    case BF16_BF16: {
        vec_ints high = load_half(next + 2 * at, left_next);
        return vec_ints_xor(load_half(row + 2 * at, left), vec_ints_left(high, 16));
    }
    default: {
        vec_ints high = load_rounded(next + 4 * at, left_next);
        return vec_ints_xor(load_rounded(row + 4 * at, left), vec_ints_left(high, 16));
    }
    }
}

/* out[group][64]: from rows along K, so transposed. */
ALWAYS_INLINE void groups_along(source s, const matmul_view *v, int64_t n0, int64_t from,
                                int64_t to, char *out) {
    for (int64_t g = from; g < to; g += 16)
        for (int64_t q = 0; q < PANEL; q += 16) {
            vec_ints r[16];
            for (int i = 0; i < 16; i++) {
                int64_t n = n0 + q + i;
                r[i] = n < v->outer ? load_along(s, v->data + n * v->stride, g, v->k)
                                    : vec_ints_set(0);
            }
            vec_transpose(r);
            for (int i = 0; i < 16; i++)
                vec_store_ints((int32_t *)(void *)(out + (g - from + i) * GROUP_BYTES + q * 4),
                               VEC_ALL, r[i]);
        }
}

ALWAYS_INLINE void groups_across(source s, const matmul_view *v, int64_t n0, int64_t from,
                                 int64_t to, char *out) {
    for (int64_t g = from; g < to; g++)
        for (int64_t q = 0; q < PANEL; q += 16)
            vec_store_ints((int32_t *)(void *)(out + (g - from) * GROUP_BYTES + q * 4), VEC_ALL,
                           load_across(s, v, g, n0 + q));
}

#define ALONG_OR_ACROSS(S, what, ...)                                                              \
    case S:                                                                                        \
        if (v->across)                                                                             \
            what##_across(S, v, __VA_ARGS__);                                                      \
        else                                                                                       \
            what##_along(S, v, __VA_ARGS__);                                                       \
        break

void matmul_pack_groups_avx2(matmul_kind kind, const matmul_view *v, int64_t panel, int64_t from,
                             int64_t to, char *out) {
    int64_t n0 = panel * PANEL;
    switch (source_of(kind, v)) {
        ALONG_OR_ACROSS(F32_F32, groups, n0, from, to, out);
        ALONG_OR_ACROSS(BF16_F32, groups, n0, from, to, out);
        ALONG_OR_ACROSS(F32_BF16, groups, n0, from, to, out);
        ALONG_OR_ACROSS(BF16_BF16, groups, n0, from, to, out);
    }
}

ALWAYS_INLINE void rows_along(source s, const matmul_view *v, int64_t from, int64_t to,
                              int64_t stride, int64_t filled, char *out) {
    for (int64_t m = from; m < to; m++)
        for (int64_t g = 0; g < filled; g += 16)
            vec_store_ints((int32_t *)(void *)(out + m * stride + g * 4), VEC_ALL,
                           load_along(s, v->data + m * v->stride, g, v->k));
}

ALWAYS_INLINE void rows_across(source s, const matmul_view *v, int64_t from, int64_t to,
                               int64_t stride, int64_t filled, char *out) {
    for (int64_t g = 0; g < filled; g += 16)
        for (int64_t m = from; m < to; m += 16) {
            vec_ints r[16];
            for (int i = 0; i < 16; i++) r[i] = load_across(s, v, g + i, m);
            vec_transpose(r);
            for (int i = 0; i < 16 && m + i < to; i++)
                vec_store_ints((int32_t *)(void *)(out + (m + i) * stride + g * 4), VEC_ALL, r[i]);
        }
}

void matmul_pack_rows_avx2(matmul_kind kind, const matmul_view *v, int64_t from, int64_t to,
                           int64_t stride, char *out, matmul_row *row) {
    int64_t filled = round_up(div_up(v->k, kind == MATMUL_F32 ? 1 : 2), GROUP_FILL);
    (void)row; /* of int8 only */
    switch (source_of(kind, v)) {
        ALONG_OR_ACROSS(F32_F32, rows, from, to, stride, filled, out);
        ALONG_OR_ACROSS(BF16_F32, rows, from, to, stride, filled, out);
        ALONG_OR_ACROSS(F32_BF16, rows, from, to, stride, filled, out);
        ALONG_OR_ACROSS(BF16_BF16, rows, from, to, stride, filled, out);
    }
}
