/* Packing in tiles of 16 x 16 groups of 32 bits. Only two loads know about types: 16 groups along a
 * row (K runs with the row), or group g of 16 neighbours (K runs across rows, which are interleaved).
 * Whether the tile is then transposed depends on what is written, not on the type. */
#include "kern/kit/matmul.h"
#include <immintrin.h>
#include <string.h>

/* Groups that the loads of b are asked for ahead of the transposition or interleaving. */
enum { AHEAD_ALONG = 64, AHEAD_ACROSS = 16 };

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
        return _mm512_maskz_loadu_epi8(lanes(k - 4 * g, 64), row + INT8_ROW_HEAD + 4 * g);
    }
}

/* Group g of neighbours at..at+15, from f32, or to f32. */
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

/* int8 weights are stored unsigned. */
ALWAYS_INLINE __m512i stored(source s, __m512i groups) {
    return s == INT8_INT8 ? _mm512_xor_si512(groups, _mm512_set1_epi8(-128)) : groups;
}

/* Bytes of a row that hold `groups` groups. */
ALWAYS_INLINE int64_t source_bytes(source s, int64_t groups) {
    return s == BF16_F32 ? 2 * groups : s == F32_BF16 ? 8 * groups : 4 * groups;
}

ALWAYS_INLINE void put_line(const matmul_view *v, char *out, __m512i line) {
    if (v->streams)
        _mm512_stream_si512((__m512i *)out, line);
    else
        _mm512_storeu_si512(out, line);
}

/* out[group][64]: from rows along K, so transposed; 64 rows are more streams than the hardware follows. */
ALWAYS_INLINE void groups_along(source s, const matmul_view *v, int64_t n0, int64_t from,
                                int64_t to, char *out) {
    for (int64_t g = from; g < to; g += 16)
        for (int64_t q = 0; q < PANEL; q += 16) {
            __m512i r[16];
            for (int i = 0; i < 16; i++) {
                int64_t n = n0 + q + i;
                const char *row = v->data + n * v->stride;
                r[i] = n < v->outer ? load_along(s, row, g, v->k) : _mm512_setzero_si512();
                PREFETCH(row + source_bytes(s, g + AHEAD_ALONG));
                if (s == F32_BF16) PREFETCH(row + source_bytes(s, g + AHEAD_ALONG) + CACHE_LINE);
                r[i] = stored(s, r[i]);
            }
            transpose(r);
            for (int i = 0; i < 16; i++)
                put_line(v, out + (g - from + i) * GROUP_BYTES + q * 4, r[i]);
        }
}

/* Group g of a panel's 64 columns, from bytes: four rows are interleaved within each quarter of a register, then
 * the quarters sorted. */
ALWAYS_INLINE void bytes_across(const matmul_view *v, int64_t g, int64_t n0, __m512i out[4]) {
    __mmask64 keep = lanes(v->outer - n0, 64);
    __m512i r[4];
    for (int64_t i = 0, k = 4 * g; i < 4; i++, k++)
        r[i] = k < v->k
                   ? _mm512_maskz_loadu_epi8(keep, v->data + k * v->stride + INT8_ROW_HEAD + n0)
                   : _mm512_setzero_si512();
    __m512i low = _mm512_unpacklo_epi8(r[0], r[1]), low2 = _mm512_unpacklo_epi8(r[2], r[3]);
    __m512i high = _mm512_unpackhi_epi8(r[0], r[1]), high2 = _mm512_unpackhi_epi8(r[2], r[3]);
    r[0] = _mm512_unpacklo_epi16(low, low2);
    r[1] = _mm512_unpackhi_epi16(low, low2);
    r[2] = _mm512_unpacklo_epi16(high, high2);
    r[3] = _mm512_unpackhi_epi16(high, high2);
    low = _mm512_shuffle_i32x4(r[0], r[1], 0x44);
    low2 = _mm512_shuffle_i32x4(r[2], r[3], 0x44);
    high = _mm512_shuffle_i32x4(r[0], r[1], 0xee);
    high2 = _mm512_shuffle_i32x4(r[2], r[3], 0xee);
    out[0] = _mm512_shuffle_i32x4(low, low2, 0x88);
    out[1] = _mm512_shuffle_i32x4(low, low2, 0xdd);
    out[2] = _mm512_shuffle_i32x4(high, high2, 0x88);
    out[3] = _mm512_shuffle_i32x4(high, high2, 0xdd);
}

/* The same from bf16, two rows interleaved. */
ALWAYS_INLINE void words_across(const matmul_view *v, int64_t g, int64_t n0, __m512i out[4]) {
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40,
                                         8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    const char *row = v->data + 2 * g * v->stride + 2 * n0;
    for (int i = 0; i < 4; i += 2) {
        __mmask32 keep = (__mmask32)lanes(v->outer - n0 - 16 * i, 32);
        __m512i r[2];
        for (int k = 0; k < 2; k++)
            r[k] = 2 * g + k < v->k ? _mm512_maskz_loadu_epi16(keep, row + k * v->stride + 32 * i)
                                    : _mm512_setzero_si512();
        out[i] = _mm512_permutex2var_epi16(r[0], low, r[1]);
        out[i + 1] = _mm512_permutex2var_epi16(r[0], high, r[1]);
    }
}

/* Group g of 64 neighbours; asks for what comes AHEAD_ACROSS groups later. */
ALWAYS_INLINE void all_across(source s, const matmul_view *v, int64_t g, int64_t n0,
                              __m512i out[4]) {
    const int64_t each = s == INT8_INT8 ? 4 : s == F32_BF16 || s == BF16_BF16 ? 2 : 1;
    const int64_t bytes = s == INT8_INT8 ? 1 : s == F32_F32 || s == F32_BF16 ? 4 : 2;
    const char *ahead = v->data + (g + AHEAD_ACROSS) * each * v->stride + n0 * bytes;
    const int64_t span = PANEL * bytes + (v->stride % CACHE_LINE ? CACHE_LINE : 0);
    for (int64_t i = 0; i < each; i++, ahead += v->stride)
        for (int64_t at = 0; at < span; at += CACHE_LINE) PREFETCH(ahead + at);
    if (s == INT8_INT8)
        bytes_across(v, g, n0, out);
    else if (s == BF16_BF16)
        words_across(v, g, n0, out);
    else
        for (int q = 0; q < 4; q++) out[q] = load_across(s, v, g, n0 + q * 16);
}

ALWAYS_INLINE void groups_across(source s, const matmul_view *v, int64_t n0, int64_t from,
                                 int64_t to, char *out) {
    for (int64_t g = from; g < to; g++) {
        __m512i all[4];
        all_across(s, v, g, n0, all);
        for (int q = 0; q < 4; q++)
            put_line(v, out + (g - from) * GROUP_BYTES + q * 64, stored(s, all[q]));
    }
}

void matmul_pack_head(const matmul_view *v, int64_t panel, char *out) {
    float *scale = (float *)out;
    for (int64_t i = 0; i < PANEL; i++) {
        int64_t n = panel * PANEL + i;
        scale[i] = 0;
        if (n < v->outer)
            memcpy(&scale[i], v->data + (v->across ? 0 : n * v->stride), sizeof *scale);
    }
}

#define ALONG_OR_ACROSS(S, what, ...)                                                              \
    case S:                                                                                        \
        if (v->across)                                                                             \
            what##_across(S, v, __VA_ARGS__);                                                      \
        else                                                                                       \
            what##_along(S, v, __VA_ARGS__);                                                       \
        break

void matmul_pack_groups_avx512(matmul_kind kind, const matmul_view *v, int64_t panel, int64_t from,
                               int64_t to, char *out) {
    int64_t n0 = panel * PANEL;
    switch (source_of(kind, v)) {
        ALONG_OR_ACROSS(F32_F32, groups, n0, from, to, out);
        ALONG_OR_ACROSS(BF16_F32, groups, n0, from, to, out);
        ALONG_OR_ACROSS(F32_BF16, groups, n0, from, to, out);
        ALONG_OR_ACROSS(BF16_BF16, groups, n0, from, to, out);
        ALONG_OR_ACROSS(INT8_INT8, groups, n0, from, to, out);
    }
    if (v->streams) _mm_sfence();
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
        for (int64_t m = from; m < to; m += PANEL) {
            __m512i all[16][4];
            for (int i = 0; i < 16; i++) all_across(s, v, g + i, m, all[i]);
            for (int q = 0; q < 4; q++) {
                __m512i r[16];
                for (int i = 0; i < 16; i++) r[i] = all[i][q];
                transpose(r);
                for (int i = 0; i < 16 && m + q * 16 + i < to; i++)
                    _mm512_storeu_si512(out + (m + q * 16 + i) * stride + g * 4, r[i]);
            }
        }
}

/* What int8 rows need beside their codes. */
static void row_sums(const matmul_view *v, int64_t from, int64_t to, int64_t stride, int64_t bytes,
                     const char *codes, matmul_row *row) {
    const __m512i ones = _mm512_set1_epi8(1);
    for (int64_t m = from; m < to; m++) {
        const char *at = codes + m * stride;
        __m512i sum = _mm512_setzero_si512(), other = sum;
        int64_t k = 0;
        for (; k + 128 <= bytes; k += 128) {
            sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(at + k));
            other = _mm512_dpbusd_epi32(other, ones, _mm512_loadu_si512(at + k + 64));
        }
        for (; k < bytes; k += 64)
            sum = _mm512_dpbusd_epi32(sum, ones,
                                      _mm512_maskz_loadu_epi8(lanes(bytes - k, 64), at + k));
        memcpy(&row[m].scale, v->data + (v->across ? 0 : m * v->stride), sizeof row[m].scale);
        row[m].sum128 = 128 * _mm512_reduce_add_epi32(_mm512_add_epi32(sum, other));
    }
}

void matmul_pack_rows_avx512(matmul_kind kind, const matmul_view *v, int64_t from, int64_t to,
                             int64_t stride, char *out, matmul_row *row) {
    if (!out) {
        row_sums(v, from, to, stride, v->k, v->data + INT8_ROW_HEAD, row);
        return;
    }
    int64_t filled = round_up(div_up(v->k, kind == MATMUL_F32    ? 1
                                           : kind == MATMUL_BF16 ? 2
                                                                 : 4),
                              GROUP_FILL);
    switch (source_of(kind, v)) {
        ALONG_OR_ACROSS(F32_F32, rows, from, to, stride, filled, out);
        ALONG_OR_ACROSS(BF16_F32, rows, from, to, stride, filled, out);
        ALONG_OR_ACROSS(F32_BF16, rows, from, to, stride, filled, out);
        ALONG_OR_ACROSS(BF16_BF16, rows, from, to, stride, filled, out);
        ALONG_OR_ACROSS(INT8_INT8, rows, from, to, stride, filled, out);
    }
    if (kind == MATMUL_INT8) row_sums(v, from, to, stride, filled * 4, out, row);
}
