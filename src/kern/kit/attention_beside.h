/* Rows that see all keys of a tile, by pairs in AVX-512. Dot products leave half of the vector pipes idle, and powers
 * of two want just those: so each product of 6 rows by 64 columns turns, between its steps, the scores of the rows
 * before it into weights, half a row at a time. That costs less than half of what the same takes alone. The bits are
 * those of attention_product.h and attention_softmax.h.
 * Twenty-four sums leave eight registers: constants stay in memory, and one vector is worked on at a time. */
#ifndef KERN_KIT_ATTENTION_BESIDE_H
#define KERN_KIT_ATTENTION_BESIDE_H

#include "kern/kit/attention_forward.h"

/* Rows whose scores are still to become weights. */
typedef struct attn_waiting {
    attn_exp2_terms exp2;
    float scale, lowest;
    int64_t halves; /* of rows */
    const float *scores;
    uint32_t *weights;
    const float *most;
    float *sum16;
} attn_waiting;

ALWAYS_INLINE __m512 attn_beside_weight(const attn_waiting *k, const float *score, float most) {
    const __mmask16 all = 0xffff;
    const __m512 base = _mm512_max_ps(_mm512_set1_ps(k->lowest), _mm512_set1_ps(most));
    __m512 x = _mm512_fmsub_ps(_mm512_load_ps(score), _mm512_set1_ps(k->scale), base);
    attn_exp2_by(&k->exp2, 3, &x, 1, &all);
    return x;
}

ALWAYS_INLINE void attn_beside_half(const attn_waiting *k, const float *scores, uint32_t *weights,
                                    float most, float *sum16) {
    __m512 x = attn_beside_weight(k, scores, most);
    FORGET(k);
    __m512 y = attn_beside_weight(k, scores + 16, most);
    __m512bh both = _mm512_cvtne2ps_pbh(y, x);
    memcpy(weights, &both, 64);
    _mm512_store_ps(sum16, _mm512_add_ps(_mm512_load_ps(sum16), _mm512_add_ps(x, y)));
}

/* A row of sums; in an array of rows gcc would keep them in memory. */
typedef struct attn_quad {
    __m512 a, b, c, d;
} attn_quad;

ALWAYS_INLINE attn_quad attn_quad_load(const float *c) {
    return (attn_quad){_mm512_loadu_ps(c), _mm512_loadu_ps(c + 16), _mm512_loadu_ps(c + 32),
                       _mm512_loadu_ps(c + 48)};
}

ALWAYS_INLINE void attn_quad_store(float *c, attn_quad q) {
    _mm512_storeu_ps(c, q.a);
    _mm512_storeu_ps(c + 16, q.b);
    _mm512_storeu_ps(c + 32, q.c);
    _mm512_storeu_ps(c + 48, q.d);
}

ALWAYS_INLINE attn_quad attn_quad_dot(attn_quad q, uint32_t left, const uint32_t *right) {
    __m512bh x = (__m512bh)_mm512_set1_epi32((int)left);
    return (attn_quad){_mm512_dpbf16_ps(q.a, x, (__m512bh)_mm512_loadu_si512(right)),
                       _mm512_dpbf16_ps(q.b, x, (__m512bh)_mm512_loadu_si512(right + 16)),
                       _mm512_dpbf16_ps(q.c, x, (__m512bh)_mm512_loadu_si512(right + 32)),
                       _mm512_dpbf16_ps(q.d, x, (__m512bh)_mm512_loadu_si512(right + 48))};
}

ALWAYS_INLINE __m512 attn_quad_top(attn_quad q) {
    return _mm512_max_ps(_mm512_max_ps(q.a, q.b), _mm512_max_ps(q.c, q.d));
}

typedef struct attn_operands {
    const uint32_t *a, *b;
    float *c;
    int64_t a_stride, b_stride, c_stride, steps;
} attn_operands;

/* c[rows][64] (+)= a . b, adding where `add`, with what waits (no more than half as many halves as there are steps)
 * done beside it. Where not adding, c are scores of rows with reference maxima `most`: returns whether any exceeds
 * its own. */
ALWAYS_INLINE bool attn_beside_part(int rows, bool add, const attn_operands *o, attn_waiting *w,
                                    const float *most) {
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#define START(i) attn_quad q##i = add && rows > i ? attn_quad_load(o->c + i * o->c_stride) : zero;
#define EVEN(i)                                                                                    \
    if (rows > i) q##i = attn_quad_dot(q##i, a[i * a_stride], b);
#define ODD(i)                                                                                     \
    if (rows > i) q##i = attn_quad_dot(q##i, a[i * a_stride + 1], b + b_stride);
#define EXCEEDS(i)                                                                                 \
    if (rows > i && !add) over |= attn_exceeds(attn_quad_top(q##i), scale, most[i]);
#define STORE(i)                                                                                   \
    if (rows > i) attn_quad_store(o->c + i * o->c_stride, q##i);
    const __m512 none = _mm512_setzero_ps(), scale = _mm512_set1_ps(w->scale);
    const attn_quad zero = {none, none, none, none};
    const uint32_t *a = o->a, *b = o->b;
    const int64_t a_stride = o->a_stride, b_stride = o->b_stride;
    const attn_waiting *k = w;
    const float *scores = w->scores, *reference = w->most;
    float *sum16 = w->sum16;
    uint32_t *weights = w->weights;
    int64_t halves = w->halves;
    __mmask16 over = 0;
    EACH_ROW(START)
    for (int64_t steps = o->steps; steps > 0; steps -= 2) {
        EACH_ROW(EVEN)
        EACH_ROW(ODD)
        a += 2;
        b += 2 * b_stride;
        FORGET(k);
        if (halves == 0) continue;
        attn_beside_half(k, scores, weights, *reference, sum16);
        halves--;
        scores += 32;
        weights += 16;
        reference += ~halves & 1;
        sum16 += (~halves & 1) * 16;
    }
    EACH_ROW(EXCEEDS)
    EACH_ROW(STORE)
    w->halves = 0;
    return over;
}

/* Parts of four to six rows. */
static inline bool attn_beside_scores(int64_t rows, const attn_operands *o, attn_waiting *w,
                                      const float *most) {
    if (rows == 6) return attn_beside_part(6, false, o, w, most);
    if (rows == 5) return attn_beside_part(5, false, o, w, most);
    return attn_beside_part(4, false, o, w, most);
}

static inline void attn_beside_values(int64_t rows, const attn_operands *o, attn_waiting *w) {
    if (rows == 6)
        attn_beside_part(6, true, o, w, NULL);
    else if (rows == 5)
        attn_beside_part(5, true, o, w, NULL);
    else
        attn_beside_part(4, true, o, w, NULL);
}

/* Raises those of rows [r, r + n) that their scores exceed. */
static NOINLINE void attn_beside_raise(const attn_block *b, attn_state *s, const float *scores,
                                       int64_t r, int64_t n) {
    const __m512 scale = _mm512_set1_ps(b->how.scale);
    const int64_t hp = b->shape.hp;
    for (int64_t i = 0; i < n; i++) {
        __m512 top = attn_quad_top(attn_quad_load(scores + i * ATTN_TILE));
        if (attn_exceeds(top, scale, s->most[r + i]))
            attn_raise(_mm512_mul_ps(top, scale), s->most + r + i, s->sum16 + (r + i) * 16,
                       s->acc + (r + i) * hp, hp);
    }
}

/* An attn_whole for 13 rows or more: parts have four at least. */
static inline void attn_beside_tile(const attn_block *b, attn_state *s, int64_t r0, int64_t n,
                                    int64_t slot) {
    const int64_t hp = b->shape.hp, cells = hp / 2, size = 32 * hp, parts = div_up(n, 6);
    attn_waiting wait = {.exp2 = attn_exp2_coarse, .scale = b->how.scale, .lowest = -FLT_MAX};
    for (int64_t part = parts, r = 0, rows; part > 0; part--, r += rows) {
        rows = div_up(n - r, part);
        attn_operands o = {s->q + (r0 + r) * cells,
                           s->keys + slot * size,
                           s->scores + r * ATTN_TILE,
                           cells,
                           ATTN_TILE,
                           ATTN_TILE,
                           cells};
        if (UNLIKELY(attn_beside_scores(rows, &o, &wait, s->most + r0 + r)))
            attn_beside_raise(b, s, o.c, r0 + r, rows);
        wait.halves = 2 * rows;
        wait.scores = o.c;
        wait.weights = s->weights + r * 32;
        wait.most = s->most + r0 + r;
        wait.sum16 = s->sum16 + (r0 + r) * 16;
    }
    for (int64_t part = parts, r = 0, rows; part > 0; part--, r += rows) {
        rows = div_up(n - r, part);
        for (int64_t d = 0; d < hp; d += 64) {
            attn_operands o = {s->weights + r * 32,
                               s->values + slot * size + d,
                               s->acc + (r0 + r) * hp + d,
                               32,
                               hp,
                               hp,
                               32};
            attn_beside_values(rows, &o, &wait);
        }
    }
}

#endif
