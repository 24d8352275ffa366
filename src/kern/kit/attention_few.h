/* Decoding: up to 8 rows of one key head over many keys, in AVX-512. The work is reading keys and values, so
 * each step, 32 columns by all rows in registers, also asks for two lines of what the tile after this one needs:
 * keys while scores are computed, values while they are weighted. Values are read in place; only keys are packed
 * (transposed). Each element is the same chain of the same products as with many rows, so the bits are, too. */
#ifndef KERN_KIT_ATTENTION_FEW_H
#define KERN_KIT_ATTENTION_FEW_H

#include "kern/kit/attention_simd.h"

enum { ATTN_FEW = 8 };

/* A tile's rows, from this head's first column on (int8: with the row's scale); an absent one is zeros. */
typedef struct attn_places {
    const char *row[ATTN_TILE];
    float scale[ATTN_TILE]; /* int8 */
} attn_places;

static const int64_t attn_elem_bytes[] = {4, 2, 2, 1};

static inline void attn_places_of(const attn_rows *x, const int64_t *rows, attn_places *out) {
    static const char zeros[ATTN_HEAD_MAX * 4];
    int64_t skip = x->first * attn_elem_bytes[x->format] + (x->format == ATTN_INT8 ? 4 : 0);
    for (int i = 0; i < ATTN_TILE; i++)
        out->row[i] = rows[i] < 0 ? zeros : x->base + rows[i] * x->row_bytes + skip;
}

/* Read when the tile's turn has come, not when it is only asked for. */
static inline void attn_places_scales(const attn_rows *x, const int64_t *rows, attn_places *out) {
    for (int i = 0; i < ATTN_TILE && x->format == ATTN_INT8; i++)
        out->scale[i] = rows[i] < 0 ? 0 : attn_scale(ATTN_INT8, x->base + rows[i] * x->row_bytes);
}

/* Walks over the lines of a tile's rows, two at a time. */
typedef struct attn_ahead {
    const char *const *row, *const *end;
    int64_t at, bytes;
} attn_ahead;

static inline attn_ahead attn_ahead_of(const attn_rows *x, const attn_places *p) {
    return (attn_ahead){
        .row = p->row, .end = p->row + ATTN_TILE, .bytes = x->head * attn_elem_bytes[x->format]};
}

ALWAYS_INLINE void attn_fetch(attn_ahead *n) {
    if (n->row == n->end) return;
    const char *line = *n->row + n->at;
    PREFETCH(line);
    PREFETCH(line + CACHE_LINE);
    n->at += 2 * CACHE_LINE;
    if (n->at < n->bytes) return;
    n->at = 0;
    n->row++;
}

/* Asks once more, shortly before they are read, for the lines of some rows from byte `at` on: a core drops what it is
 * asked for while it waits for too many others. */
ALWAYS_INLINE void attn_fetch_again(const attn_places *p, int64_t row, int64_t count, int64_t at) {
    for (int64_t i = 0; i < count; i++) PREFETCH(p->row[row + i] + at);
}

/* 16 cells of row i from column `d` on, of which `keep` are there (bit by bf16 of a pair, or by column). */
ALWAYS_INLINE __m512i attn_place_cells(const attn_places *p, attn_format f, bool pairs, int64_t i,
                                       int64_t d, __mmask32 keep) {
    const char *row = p->row[i];
    if (pairs) return _mm512_maskz_loadu_epi16(keep, row + 2 * d);
    if (f == ATTN_INT8) row -= 4;
    return _mm512_castps_si512(
        attn_load(f, row, d, (__mmask16)keep, f == ATTN_INT8 ? p->scale[i] : 1));
}

ALWAYS_INLINE __mmask32 attn_keep(bool pairs, int64_t left) {
    if (!pairs) return attn_first(left);
    return left >= 32 ? 0xffffffffu : left <= 0 ? 0 : (1u << left) - 1;
}

/* keys[cells][64], transposed. */
ALWAYS_INLINE void attn_few_keys_as(const attn_places *p, attn_format f, bool pairs, int64_t head,
                                    int64_t cells, uint32_t *to) {
    const int64_t each = pairs ? 2 : 1;
    for (int64_t d = 0; d < cells; d += 16) {
        __mmask32 keep = attn_keep(pairs, head - each * d);
        for (int64_t g = 0; g < ATTN_TILE; g += 16) {
            __m512i r[16];
            for (int i = 0; i < 16; i++)
                r[i] = attn_place_cells(p, f, pairs, g + i, each * d, keep);
            int64_t next = (g + 16) % ATTN_TILE;
            if (pairs) attn_fetch_again(p, next, 16, 4 * (next ? d : d + 16));
            attn_transpose(r);
            for (int i = 0; i < 16; i++) _mm512_store_si512(to + (d + i) * ATTN_TILE + g, r[i]);
        }
    }
}

ALWAYS_INLINE __m512 attn_step(bool pairs, __m512 sum, __m512i left, __m512i right) {
    return pairs ? _mm512_dpbf16_ps(sum, (__m512bh)left, (__m512bh)right)
                 : _mm512_fmadd_ps(_mm512_castsi512_ps(left), _mm512_castsi512_ps(right), sum);
}

/* scores[rows][64] = q[rows][cells] . keys[cells][64], the first 16 * vectors columns at least. */
ALWAYS_INLINE void attn_few_scores_of(bool pairs, int rows, const uint32_t *q, int64_t cells,
                                      const uint32_t *keys, int64_t vectors, float *scores,
                                      attn_ahead next) {
    for (int64_t k = 0; k < vectors * 16; k += 32) {
        __m512 sum[ATTN_FEW][2];
        for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
        for (int64_t d = 0; d < cells; d++) {
            const uint32_t *at = keys + d * ATTN_TILE + k;
            __m512i low = _mm512_loadu_si512(at), high = _mm512_loadu_si512(at + 16);
            for (int r = 0; r < rows; r++) {
                __m512i left = _mm512_set1_epi32((int)q[r * cells + d]);
                sum[r][0] = attn_step(pairs, sum[r][0], left, low);
                sum[r][1] = attn_step(pairs, sum[r][1], left, high);
            }
            attn_fetch(&next);
        }
        for (int r = 0; r < rows; r++) {
            _mm512_storeu_ps(scores + r * ATTN_TILE + k, sum[r][0]);
            _mm512_storeu_ps(scores + r * ATTN_TILE + k + 16, sum[r][1]);
        }
    }
}

/* Columns d..d+31 of step t: of key t, or of the pair of keys 2 t, 2 t + 1. */
ALWAYS_INLINE void attn_few_cells(const attn_places *p, attn_format f, bool pairs, int64_t t,
                                  int64_t d, int64_t head, __m512i out[2]) {
    if (!pairs) {
        out[0] = attn_place_cells(p, f, false, t, d, attn_keep(false, head - d));
        out[1] = attn_place_cells(p, f, false, t, d + 16, attn_keep(false, head - d - 16));
        return;
    }
    const __m512i first =
        _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6,
                         37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
    __m512i even = attn_place_cells(p, f, true, 2 * t, d, attn_keep(true, head - d));
    __m512i odd = attn_place_cells(p, f, true, 2 * t + 1, d, attn_keep(true, head - d));
    out[0] = _mm512_permutex2var_epi16(even, first, odd);
    out[1] = _mm512_permutex2var_epi16(even, second, odd);
}

/* acc[rows][hp] += weights[rows][steps] . values, read where they lie. */
ALWAYS_INLINE void attn_few_values_of(const attn_places *p, attn_format f, bool pairs, int rows,
                                      int64_t head, const uint32_t *weights, float *acc, int64_t hp,
                                      attn_ahead next) {
    const int64_t steps = pairs ? ATTN_TILE / 2 : ATTN_TILE;
    for (int64_t d = 0; d < hp; d += 32) {
        __m512 sum[ATTN_FEW][2];
        for (int r = 0; r < rows; r++) {
            sum[r][0] = _mm512_loadu_ps(acc + r * hp + d);
            sum[r][1] = _mm512_loadu_ps(acc + r * hp + d + 16);
        }
        for (int64_t t = 0; t < steps; t++) {
            __m512i right[2];
            int64_t soon = (2 * t + 16) % ATTN_TILE;
            if (pairs) attn_fetch_again(p, soon, 2, 2 * (soon < 16 ? d + 32 : d));
            attn_few_cells(p, f, pairs, t, d, head, right);
            for (int r = 0; r < rows; r++) {
                __m512i left = _mm512_set1_epi32((int)weights[r * steps + t]);
                sum[r][0] = attn_step(pairs, sum[r][0], left, right[0]);
                sum[r][1] = attn_step(pairs, sum[r][1], left, right[1]);
            }
            attn_fetch(&next);
        }
        for (int r = 0; r < rows; r++) {
            _mm512_storeu_ps(acc + r * hp + d, sum[r][0]);
            _mm512_storeu_ps(acc + r * hp + d + 16, sum[r][1]);
        }
    }
}

#define ATTN_EACH_ROWS(CASE) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)

static inline void attn_few_scores(bool pairs, int64_t rows, const uint32_t *q, int64_t cells,
                                   const uint32_t *keys, int64_t vectors, float *scores,
                                   attn_ahead next) {
#define SCORES(R)                                                                                  \
    case R:                                                                                        \
        if (pairs)                                                                                 \
            attn_few_scores_of(true, R, q, cells, keys, vectors, scores, next);                    \
        else                                                                                       \
            attn_few_scores_of(false, R, q, cells, keys, vectors, scores, next);                   \
        break;
    switch (rows) { ATTN_EACH_ROWS(SCORES) }
#undef SCORES
}

ALWAYS_INLINE void attn_few_values_as(const attn_places *p, attn_format f, bool pairs, int64_t rows,
                                      int64_t head, const uint32_t *weights, float *acc, int64_t hp,
                                      attn_ahead next) {
#define VALUES(R)                                                                                  \
    case R:                                                                                        \
        attn_few_values_of(p, f, pairs, R, head, weights, acc, hp, next);                          \
        break;
    switch (rows) { ATTN_EACH_ROWS(VALUES) }
#undef VALUES
}

/* What differs by the format of keys and values. */
#define ATTN_BY_FORMAT(pairs, format, DO)                                                          \
    do {                                                                                           \
        if (pairs)                                                                                 \
            DO(ATTN_BF16, true);                                                                   \
        else if ((format) == ATTN_F32)                                                             \
            DO(ATTN_F32, false);                                                                   \
        else if ((format) == ATTN_BF16)                                                            \
            DO(ATTN_BF16, false);                                                                  \
        else if ((format) == ATTN_F16)                                                             \
            DO(ATTN_F16, false);                                                                   \
        else                                                                                       \
            DO(ATTN_INT8, false);                                                                  \
    } while (0)

static inline void attn_few_keys(const attn_rows *x, bool pairs, const attn_places *p, uint32_t *to,
                                 int64_t hp) {
#define KEYS(f, by_pairs) attn_few_keys_as(p, f, by_pairs, x->head, by_pairs ? hp / 2 : hp, to)
    ATTN_BY_FORMAT(pairs, x->format, KEYS);
#undef KEYS
}

static inline void attn_few_values(const attn_rows *x, bool pairs, int64_t rows,
                                   const attn_places *p, const uint32_t *weights, float *acc,
                                   int64_t hp, attn_ahead next) {
#define VALUES(f, by_pairs)                                                                        \
    attn_few_values_as(p, f, by_pairs, rows, x->head, weights, acc, hp, next)
    ATTN_BY_FORMAT(pairs, x->format, VALUES);
#undef VALUES
}

#endif
