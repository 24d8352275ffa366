/* Packing in tiles of 16 x 16 groups of 32 bits. Only two loads know about types: 16 groups along a
 * row (K runs with the row), or group g of 16 neighbours (K runs across rows, which are interleaved).
 * Whether the tile is then transposed depends on what is written, not on the type. */
#include "kern/kit/matmul.h"
#include <immintrin.h>
#include <string.h>

typedef enum source { F32_F32, BF16_F32, F32_BF16, BF16_BF16, INT8_INT8 } source;

static source source_of(matmul_kind kind, const matmul_view *v) {
    if (kind == MATMUL_INT8) return INT8_INT8;
    if (kind == MATMUL_F32) return v->f32 ? F32_F32 : BF16_F32;
    return v->f32 ? F32_BF16 : BF16_BF16;
}

ALWAYS_INLINE uint64_t lanes(int64_t left, int64_t width) {
    return left >= width ? ~0ull >> (64 - width) : left <= 0 ? 0 : (1ull << left) - 1;
}

ALWAYS_INLINE __m512i load_f32(const void *p, int64_t left) {
    return _mm512_maskz_loadu_epi32((__mmask16)lanes(left, 16), p);
}

ALWAYS_INLINE __m512i load_half(const void *p, int64_t left) {
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16((__mmask16)lanes(left, 16), p));
}

ALWAYS_INLINE __m512i to_bf16(__m512i low, __m512i high) {
    return (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}

/* Groups g..g+15 of the row at `row`. */
ALWAYS_INLINE __m512i load_along(source s, const char *row, int64_t g, int64_t k) {
    switch (s) {
    case F32_F32:
        return load_f32(row + 4 * g, k - g);
    case BF16_F32:
        return _mm512_slli_epi32(load_half(row + 2 * g, k - g), 16);
    case BF16_BF16:
        return _mm512_maskz_loadu_epi16((__mmask32)lanes(k - 2 * g, 32), row + 4 * g);
    case F32_BF16:
        return to_bf16(load_f32(row + 8 * g, k - 2 * g),
                       load_f32(row + 8 * g + 64, k - 2 * g - 16));
    default:
        return _mm512_maskz_loadu_epi8(lanes(k - 4 * g, 64), row + 4 + 4 * g);
    }
}

/* Group g of neighbours at..at+15. */
ALWAYS_INLINE __m512i load_across(source s, const matmul_view *v, int64_t g, int64_t at) {
    int64_t left = v->outer - at, k = s == F32_F32 || s == BF16_F32 ? g : 2 * g;
    if (k >= v->k) return _mm512_setzero_si512();
    const char *row = v->data + k * v->stride, *next = row + v->stride;
    int64_t left_next = k + 1 < v->k ? left : 0;
    if (!left_next) next = row;
    switch (s) {
    case F32_F32:
        return load_f32(row + 4 * at, left);
    case BF16_F32:
        return _mm512_slli_epi32(load_half(row + 2 * at, left), 16);
    case BF16_BF16:
        return _mm512_or_si512(load_half(row + 2 * at, left),
                               _mm512_slli_epi32(load_half(next + 2 * at, left_next), 16));
    default: {
        const __m512i interleave =
            _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
                             22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
        __m512i both = to_bf16(load_f32(row + 4 * at, left), load_f32(next + 4 * at, left_next));
        return _mm512_permutexvar_epi16(interleave, both);
    }
    }
}

ALWAYS_INLINE void transpose(__m512i r[16]) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

/* out[group][64]: from rows along K, so transposed. */
ALWAYS_INLINE void groups_along(source s, const matmul_view *v, int64_t n0, int64_t from,
                                int64_t to, char *out) {
    for (int64_t g = from; g < to; g += 16)
        for (int64_t q = 0; q < PANEL; q += 16) {
            __m512i r[16];
            for (int i = 0; i < 16; i++) {
                int64_t n = n0 + q + i;
                r[i] = n < v->outer ? load_along(s, v->data + n * v->stride, g, v->k)
                                    : _mm512_setzero_si512();
                if (s == INT8_INT8) r[i] = _mm512_xor_si512(r[i], _mm512_set1_epi8(-128));
            }
            transpose(r);
            for (int i = 0; i < 16; i++)
                _mm512_storeu_si512(out + (g - from + i) * GROUP_BYTES + q * 4, r[i]);
        }
}

ALWAYS_INLINE void groups_across(source s, const matmul_view *v, int64_t n0, int64_t from,
                                 int64_t to, char *out) {
    for (int64_t g = from; g < to; g++)
        for (int64_t q = 0; q < PANEL; q += 16)
            _mm512_storeu_si512(out + (g - from) * GROUP_BYTES + q * 4,
                                load_across(s, v, g, n0 + q));
}

static int64_t filled_groups(matmul_kind kind, int64_t k) {
    return round_up(div_up(k, kind == MATMUL_F32 ? 1 : kind == MATMUL_BF16 ? 2 : 4), GROUP_FILL);
}

void matmul_pack_head(const matmul_view *v, int64_t panel, char *out) {
    float *scale = (float *)out;
    for (int64_t i = 0; i < PANEL; i++) {
        int64_t n = panel * PANEL + i;
        scale[i] = 0;
        if (n < v->outer) memcpy(&scale[i], v->data + n * v->stride, sizeof *scale);
    }
}

void matmul_pack_groups(matmul_kind kind, const matmul_view *v, int64_t panel, int64_t from,
                        int64_t to, char *out) {
    int64_t n0 = panel * PANEL;
#define CASE(S)                                                                                    \
    case S:                                                                                        \
        if (v->across)                                                                             \
            groups_across(S, v, n0, from, to, out);                                                \
        else                                                                                       \
            groups_along(S, v, n0, from, to, out);                                                 \
        break
    switch (source_of(kind, v)) {
        CASE(F32_F32);
        CASE(BF16_F32);
        CASE(F32_BF16);
        CASE(BF16_BF16);
    case INT8_INT8:
        groups_along(INT8_INT8, v, n0, from, to, out);
        break;
    }
#undef CASE
}

ALWAYS_INLINE void rows_along(source s, const matmul_view *v, int64_t from, int64_t to,
                              int64_t stride, int64_t filled, char *out) {
    for (int64_t m = from; m < to; m++)
        for (int64_t g = 0; g < filled; g += 16)
            _mm512_storeu_si512(out + m * stride + g * 4,
                                load_along(s, v->data + m * v->stride, g, v->k));
}

ALWAYS_INLINE void rows_across(source s, const matmul_view *v, int64_t from, int64_t to,
                               int64_t stride, int64_t filled, char *out) {
    for (int64_t g = 0; g < filled; g += 16)
        for (int64_t m = from; m < to; m += 16) {
            __m512i r[16];
            for (int i = 0; i < 16; i++) r[i] = load_across(s, v, g + i, m);
            transpose(r);
            for (int i = 0; i < 16 && m + i < to; i++)
                _mm512_storeu_si512(out + (m + i) * stride + g * 4, r[i]);
        }
}

static void rows_int8(const matmul_view *v, int64_t from, int64_t to, int64_t stride,
                      int64_t filled, char *out, matmul_row *row) {
    for (int64_t m = from; m < to; m++) {
        __m512i sum = _mm512_setzero_si512();
        const char *at = v->data + m * v->stride;
        for (int64_t g = 0; g < filled; g += 16) {
            __m512i codes = load_along(INT8_INT8, at, g, v->k);
            sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), codes);
            _mm512_storeu_si512(out + m * stride + g * 4, codes);
        }
        memcpy(&row[m].scale, at, sizeof row[m].scale);
        row[m].sum128 = 128 * _mm512_reduce_add_epi32(sum);
    }
}

void matmul_pack_rows(matmul_kind kind, const matmul_view *v, int64_t from, int64_t to,
                      int64_t stride, char *out, matmul_row *row) {
    int64_t filled = filled_groups(kind, v->k);
#define CASE(S)                                                                                    \
    case S:                                                                                        \
        if (v->across)                                                                             \
            rows_across(S, v, from, to, stride, filled, out);                                      \
        else                                                                                       \
            rows_along(S, v, from, to, stride, filled, out);                                       \
        break
    switch (source_of(kind, v)) {
        CASE(F32_F32);
        CASE(BF16_F32);
        CASE(F32_BF16);
        CASE(BF16_BF16);
    case INT8_INT8:
        rows_int8(v, from, to, stride, filled, out, row);
        break;
    }
#undef CASE
}
