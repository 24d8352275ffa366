/* Attention's pieces in AVX-512: powers of two, tanh, loading any cache format as floats, packing tiles of
 * keys and values. Packed tiles hold 32-bit cells: floats, or pairs of bf16.
 *   keys    [head / 2 pairs (or head)][64 keys]        values  [32 key pairs (or 64 keys)][head]  */
#ifndef KERN_KIT_ATTENTION_SIMD_H
#define KERN_KIT_ATTENTION_SIMD_H

#include "kern/kit/attention.h"
#include <immintrin.h>
#include <math.h>
#include <string.h>

typedef enum attn_format { ATTN_F32, ATTN_BF16, ATTN_F16, ATTN_INT8 } attn_format;

static inline attn_format attn_format_of(const num_format *f) {
    return !strcmp(f->name, "f32")    ? ATTN_F32
           : !strcmp(f->name, "bf16") ? ATTN_BF16
           : !strcmp(f->name, "f16")  ? ATTN_F16
                                      : ATTN_INT8;
}

/* What attn_exp2_by takes: a number that rounds by being added, the least x, a polynomial from its highest term on. */
typedef struct attn_exp2_terms {
    float magic, least, term[7];
} attn_exp2_terms;

/* Degree 3 errs by 7.5e-5, enough where the result is rounded to bf16; degree 6 by 2e-9. */
static const attn_exp2_terms attn_exp2_coarse = {
    0x1.8p23f, -126, {0x1.c3f75ep-5f, 0x1.f0de1ap-3f, 0x1.62f31ap-1f, 0x1.fff692p-1f}};
static const attn_exp2_terms attn_exp2_fine = {0x1.8p23f,
                                               -126,
                                               {0x1.41d332p-13f, 0x1.5f456ap-10f, 0x1.3b2dbcp-7f,
                                                0x1.c6aed4p-5f, 0x1.ebfbdap-3f, 0x1.62e430p-1f,
                                                1.0f}};

/* 2^x for `n` vectors of x <= 127, at least 2^-126; NaN stays NaN. Lanes outside `keep` are 0. Each stage goes over all
 * vectors, so that no chain is waited for. */
ALWAYS_INLINE void attn_exp2_by(const attn_exp2_terms *k, int degree, __m512 *x, int n,
                                const __mmask16 *keep) {
    const __m512 magic = _mm512_set1_ps(k->magic), least = _mm512_set1_ps(k->least);
    __m512 t[4], p[4];
    for (int v = 0; v < n; v++) x[v] = _mm512_max_ps(least, x[v]);
    for (int v = 0; v < n; v++) t[v] = _mm512_add_ps(x[v], magic);
    for (int v = 0; v < n; v++) x[v] = _mm512_sub_ps(x[v], _mm512_sub_ps(t[v], magic));
    for (int v = 0; v < n; v++) p[v] = _mm512_set1_ps(k->term[0]);
    for (int i = 1; i <= degree; i++)
        for (int v = 0; v < n; v++) p[v] = _mm512_fmadd_ps(p[v], x[v], _mm512_set1_ps(k->term[i]));
    for (int v = 0; v < n; v++) {
        __m512i power = _mm512_slli_epi32(_mm512_castps_si512(t[v]), 23);
        x[v] =
            _mm512_castsi512_ps(_mm512_maskz_add_epi32(keep[v], _mm512_castps_si512(p[v]), power));
    }
}

ALWAYS_INLINE void attn_exp2_many(__m512 *x, int n, bool fine, const __mmask16 *keep) {
    if (fine)
        attn_exp2_by(&attn_exp2_fine, 6, x, n, keep);
    else
        attn_exp2_by(&attn_exp2_coarse, 3, x, n, keep);
}

ALWAYS_INLINE __m512 attn_exp2(__m512 x, bool fine, __mmask16 keep) {
    attn_exp2_many(&x, 1, fine, &keep);
    return x;
}

static inline float attn_exp2_one(float x) {
    return _mm512_cvtss_f32(attn_exp2(_mm512_set1_ps(x), true, 1));
}

/* 1 - 2 / (e^2x + 1) */
ALWAYS_INLINE __m512 attn_tanh(__m512 x) {
    const __m512 one = _mm512_set1_ps(1), far = _mm512_set1_ps(40);
    __m512 y = _mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p+1f)); /* 2 log2(e) */
    y = _mm512_min_ps(far, y);
    __m512 e = attn_exp2(y, true, 0xffff);
    return _mm512_div_ps(_mm512_sub_ps(e, one), _mm512_add_ps(e, one));
}

/* 16 lanes to one number, always by the same tree. */
static inline float attn_sum16(__m512 x) {
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

/* ---- loading ---- */
/* Columns [0, 16) from `at` on, of which `keep` are there, as floats. */
ALWAYS_INLINE __m512 attn_load(attn_format f, const char *row, int64_t at, __mmask16 keep,
                               float scale) {
    if (f == ATTN_F32) return _mm512_maskz_loadu_ps(keep, row + at * 4);
    if (f == ATTN_INT8) {
        __m512i code = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(keep, row + 4 + at));
        return _mm512_maskz_mul_ps(keep, _mm512_cvtepi32_ps(code), _mm512_set1_ps(scale));
    }
    __m256i half = _mm256_maskz_loadu_epi16(keep, row + at * 2);
    if (f == ATTN_F16) return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

static inline float attn_scale(attn_format f, const char *row) {
    float scale = 1;
    if (f == ATTN_INT8) memcpy(&scale, row, 4);
    return scale;
}

static inline __mmask16 attn_first(int64_t n) {
    return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

static inline void attn_transpose(__m512i r[16]) {
    __m512i t[16];
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
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

/* Where the rows of one head lie: row r at base + r * row_bytes, its columns from `first` on. */
typedef struct attn_rows {
    const char *base;
    int64_t row_bytes, first, head;
    attn_format format;
} attn_rows;

static inline attn_rows attn_rows_of(const tensor *t, int64_t first, int64_t head) {
    return (attn_rows){.base = t->data,
                       .row_bytes = num_row_bytes(t->format, t->dim[1]),
                       .first = first,
                       .head = head,
                       .format = attn_format_of(t->format)};
}

/* 16 cells (pairs of bf16, or floats) of row `r`, which is absent and reads as zeros when negative. */
ALWAYS_INLINE __m512i attn_cells(const attn_rows *x, attn_format f, bool pairs, int64_t r,
                                 int64_t cell) {
    if (r < 0) return _mm512_setzero_si512();
    const char *row = x->base + r * x->row_bytes;
    if (!pairs)
        return _mm512_castps_si512(
            attn_load(f, row, x->first + cell, attn_first(x->head - cell), attn_scale(f, row)));
    int64_t left = x->head - 2 * cell;
    __mmask32 keep = left >= 32 ? 0xffffffffu : left <= 0 ? 0 : (1u << left) - 1;
    return _mm512_maskz_loadu_epi16(keep, row + (x->first + 2 * cell) * 2);
}

ALWAYS_INLINE void attn_prefetch(const attn_rows *x, int64_t r, int64_t elem_bytes) {
    if (r < 0) return;
    const char *row = x->base + r * x->row_bytes + x->first * elem_bytes;
    for (int64_t b = 0; b < x->head * elem_bytes; b += CACHE_LINE) PREFETCH(row + b);
}

ALWAYS_INLINE void attn_pack_keys_as(const attn_rows *x, attn_format f, bool pairs,
                                     const int64_t *rows, const int64_t *next, uint32_t *to,
                                     int64_t cells) {
    const int64_t elem_bytes = f == ATTN_F32 ? 4 : f == ATTN_INT8 ? 1 : 2;
    for (int64_t g = 0; g < ATTN_TILE; g += 16) {
        for (int64_t i = 0; next && i < 16; i++) attn_prefetch(x, next[g + i], elem_bytes);
        for (int64_t d = 0; d < cells; d += 16) {
            __m512i r[16];
            for (int i = 0; i < 16; i++) r[i] = attn_cells(x, f, pairs, rows[g + i], d);
            attn_transpose(r);
            for (int i = 0; i < 16; i++) _mm512_store_si512(to + (d + i) * ATTN_TILE + g, r[i]);
        }
    }
}

/* `rows` and `next` (the tile after, or NULL) are 64 row numbers each. */
static inline void attn_pack_keys(const attn_rows *x, bool pairs, const int64_t *rows,
                                  const int64_t *next, uint32_t *to, int64_t hp) {
    if (pairs)
        attn_pack_keys_as(x, ATTN_BF16, true, rows, next, to, hp / 2);
    else if (x->format == ATTN_F32)
        attn_pack_keys_as(x, ATTN_F32, false, rows, next, to, hp);
    else if (x->format == ATTN_BF16)
        attn_pack_keys_as(x, ATTN_BF16, false, rows, next, to, hp);
    else if (x->format == ATTN_F16)
        attn_pack_keys_as(x, ATTN_F16, false, rows, next, to, hp);
    else
        attn_pack_keys_as(x, ATTN_INT8, false, rows, next, to, hp);
}

ALWAYS_INLINE __m512i attn_pair_cells(const attn_rows *x, int64_t even, int64_t odd, int64_t d) {
    __mmask16 keep = attn_first(x->head - d);
    __m512i a = _mm512_setzero_si512(), b = a;
    const char *base = x->base + (x->first + d) * 2;
    if (even >= 0)
        a = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(keep, base + even * x->row_bytes));
    if (odd >= 0)
        b = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(keep, base + odd * x->row_bytes));
    return _mm512_or_si512(a, _mm512_slli_epi32(b, 16));
}

ALWAYS_INLINE void attn_pack_values_as(const attn_rows *x, attn_format f, const int64_t *rows,
                                       const int64_t *next, uint32_t *to, int64_t hp) {
    const int64_t elem_bytes = f == ATTN_F32 ? 4 : f == ATTN_INT8 ? 1 : 2;
    for (int64_t i = 0; i < ATTN_TILE; i++) {
        if (next) attn_prefetch(x, next[i], elem_bytes);
        for (int64_t d = 0; d < hp; d += 16)
            _mm512_store_si512(to + i * hp + d, attn_cells(x, f, false, rows[i], d));
    }
}

static inline void attn_pack_values(const attn_rows *x, bool pairs, const int64_t *rows,
                                    const int64_t *next, uint32_t *to, int64_t hp) {
    for (int64_t i = 0; pairs && i < ATTN_TILE; i += 2) {
        if (next) attn_prefetch(x, next[i], 2);
        if (next) attn_prefetch(x, next[i + 1], 2);
        for (int64_t d = 0; d < hp; d += 16)
            _mm512_store_si512(to + i / 2 * hp + d, attn_pair_cells(x, rows[i], rows[i + 1], d));
    }
    if (pairs) return;
    if (x->format == ATTN_F32)
        attn_pack_values_as(x, ATTN_F32, rows, next, to, hp);
    else if (x->format == ATTN_BF16)
        attn_pack_values_as(x, ATTN_BF16, rows, next, to, hp);
    else if (x->format == ATTN_F16)
        attn_pack_values_as(x, ATTN_F16, rows, next, to, hp);
    else
        attn_pack_values_as(x, ATTN_INT8, rows, next, to, hp);
}

/* c[rows][16 * vectors] (+)= a[rows][steps cells] . b[steps][16 * vectors]; strides in cells. `c` is added to where
 * `add`. Rows come padded to 16 in memory. A cell is a float, or a pair of bf16. */
typedef void attn_product(int64_t rows, int vectors, bool add, const uint32_t *a, int64_t a_stride,
                          const uint32_t *b, int64_t b_stride, float *c, int64_t c_stride,
                          int64_t steps);

/* Rows [r0, r0 + n), more than a grain, against packed tile `slot`, all of which they see; without a soft-cap, for
 * heads of whole 64s. */
struct attn_block;
struct attn_state;
typedef void attn_whole(const struct attn_block *b, struct attn_state *s, int64_t r0, int64_t n,
                        int64_t slot);

typedef struct attn_core {
    bool pairs;    /* cells are pairs of bf16 */
    bool few;      /* the product's chains are those of attention_few.h, which may stand in */
    int64_t sub;   /* rows that take a tile together */
    int64_t grain; /* rows that a product takes at least */
    int64_t steps; /* a product's steps are a multiple of it */
    attn_product *product;
    attn_whole *whole; /* may be NULL; the same bits as by scores, softmax and values */
} attn_core;

/* The `n` values from element `at` on of a dense f32 or bf16 tensor becomes factor * x. */
static inline void attn_store_row(const tensor *t, int64_t at, int64_t n, const float *x,
                                  float factor) {
    bool wide = attn_format_of(t->format) == ATTN_F32;
    for (int64_t d = 0; d < n; d += 16) {
        __m512 y = _mm512_mul_ps(_mm512_loadu_ps(x + d), _mm512_set1_ps(factor));
        __mmask16 keep = attn_first(n - d);
        if (wide) {
            _mm512_mask_storeu_ps((float *)t->data + at + d, keep, y);
        } else {
            __m256bh half = _mm512_cvtneps_pbh(y);
            __m256i bits;
            memcpy(&bits, &half, sizeof bits);
            _mm256_mask_storeu_epi16((uint16_t *)t->data + at + d, keep, bits);
        }
    }
}

/* What every instruction set asks of an attention node. */
static inline bool attn_supports(const kernel_query *q, bool backward, reason *why) {
    const attention_params *p = q->node->params;
    const char *qf = q->in[ATTENTION_Q]->format->name, *kf = q->in[ATTENTION_K]->format->name;
    bool wide = !strcmp(qf, "f32");
    if (!wide && strcmp(qf, "bf16")) return refuse(why, "queries in %s", qf);
    if (strcmp(kf, "f32") && strcmp(kf, "bf16") &&
        (backward || (strcmp(kf, "f16") && strcmp(kf, "int8_row"))))
        return refuse(why, "keys in %s", kf);
    if (p->head > ATTN_HEAD_MAX)
        return refuse(why, "heads of %d, above %d", p->head, ATTN_HEAD_MAX);
    if (!(p->scale > 0)) return refuse(why, "a scale of %g", p->scale);
    return true;
}

#endif
