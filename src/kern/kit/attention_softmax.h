/* The softmax of rows of a tile's scores, in AVX-512. A row keeps a reference maximum until a score exceeds it by 8
 * in log2; only then its sums and accumulators are rescaled (a decision of that row alone). Its sum stays in 16 lanes.
 * Stages go over all four vectors of a row before the next stage: the scheduler holds few instructions more than a
 * row has, and one vector at a time would wait for its own chain. */
#ifndef KERN_KIT_ATTENTION_SOFTMAX_H
#define KERN_KIT_ATTENTION_SOFTMAX_H

#include "kern/kit/attention_simd.h"
#include <float.h>

/* What turns raw scores into powers of two. */
typedef struct attn_scores {
    float scale;    /* scale * log2(e); with a soft-cap, cap * log2(e) */
    float into_cap; /* scale / cap; 0: no soft-cap */
} attn_scores;

static inline attn_scores attn_scores_of(const attention_params *p) {
    const double log2e = 1.4426950408889634;
    bool cap = p->soft_cap > 0;
    return (attn_scores){.scale = (float)((cap ? p->soft_cap : p->scale) * log2e),
                         .into_cap = cap ? (float)(p->scale / p->soft_cap) : 0};
}

/* The largest of `top` becomes the row's reference `*most` (-inf before: it had none). */
static NOINLINE void attn_raise(__m512 top, float *most, float *sum16, float *acc, int64_t hp) {
    float now = _mm512_reduce_max_ps(top);
    const __m512 f = _mm512_set1_ps(*most == -INFINITY ? 0 : attn_exp2_one(*most - now));
    _mm512_store_ps(sum16, _mm512_mul_ps(_mm512_load_ps(sum16), f));
    for (int64_t d = 0; d < hp; d += 16)
        _mm512_store_ps(acc + d, _mm512_mul_ps(_mm512_load_ps(acc + d), f));
    *most = now;
}

/* Whether a score of `top` is so far above the reference that the row must be raised. */
ALWAYS_INLINE __mmask16 attn_exceeds(__m512 top, __m512 scale, float most) {
    top = _mm512_fmsub_ps(top, scale, _mm512_set1_ps(most));
    return _mm512_cmp_ps_mask(top, _mm512_set1_ps(8), _CMP_GT_OQ);
}

/* Weights of the 64 scores `s`, keys [lo, hi) of which the row sees (all where `full`), into `weight`: bf16 where
 * `pairs`, else float, which may be `s` itself. */
ALWAYS_INLINE void attn_softmax_row(const attn_scores *k, bool pairs, bool full, bool capped,
                                    int64_t lo, int64_t hi, const float *s, void *weight,
                                    float *most, float *sum16, float *acc, int64_t hp) {
    __m512 x[4];
    __mmask16 keep[4];
    for (int v = 0; v < 4; v++) {
        keep[v] = full ? 0xffff : (__mmask16)(attn_first(hi - 16 * v) & ~attn_first(lo - 16 * v));
        x[v] = full ? _mm512_load_ps(s + 16 * v)
                    : _mm512_mask_load_ps(_mm512_set1_ps(-INFINITY), keep[v], s + 16 * v);
        if (capped)
            x[v] = _mm512_mask_mov_ps(x[v], keep[v],
                                      attn_tanh(_mm512_mul_ps(x[v], _mm512_set1_ps(k->into_cap))));
    }
    const __m512 scale = _mm512_set1_ps(k->scale);
    __m512 top = _mm512_max_ps(_mm512_max_ps(x[0], x[1]), _mm512_max_ps(x[2], x[3]));
    if (UNLIKELY(attn_exceeds(top, scale, *most)))
        attn_raise(_mm512_mul_ps(top, scale), most, sum16, acc, hp);
    /* -inf still if all scores are: then any finite number serves */
    const __m512 base = _mm512_max_ps(_mm512_set1_ps(-FLT_MAX), _mm512_set1_ps(*most));
    for (int v = 0; v < 4; v++) x[v] = _mm512_fmsub_ps(x[v], scale, base);
    attn_exp2_many(x, 4, !pairs, keep);
    __m512 sum = _mm512_add_ps(_mm512_load_ps(sum16), _mm512_add_ps(x[0], x[1]));
    _mm512_store_ps(sum16, _mm512_add_ps(sum, _mm512_add_ps(x[2], x[3])));
    for (int v = 0; v < 4; v += 2) {
        if (pairs) {
            __m512bh both = _mm512_cvtne2ps_pbh(x[v + 1], x[v]);
            memcpy((char *)weight + 32 * v, &both, 64);
        } else {
            _mm512_store_ps((float *)weight + 16 * v, x[v]);
            _mm512_store_ps((float *)weight + 16 * v + 16, x[v + 1]);
        }
    }
}

/* Joins a later segment (its maximum, sum and row) to what was gathered before. */
static inline void attn_merge(float *most, float *sum, float *out, float most2, float sum2,
                              const float *acc, int64_t hp) {
    if (most2 == -INFINITY) return;
    if (*most == -INFINITY) {
        *most = most2;
        *sum = sum2;
        memcpy(out, acc, (size_t)hp * sizeof *out);
        return;
    }
    float now = *most > most2 ? *most : most2;
    float f = attn_exp2_one(*most - now), f2 = attn_exp2_one(most2 - now);
    *most = now;
    *sum = *sum * f + sum2 * f2;
    for (int64_t d = 0; d < hp; d += 16) {
        __m512 a = _mm512_mul_ps(_mm512_loadu_ps(out + d), _mm512_set1_ps(f));
        a = _mm512_fmadd_ps(_mm512_loadu_ps(acc + d), _mm512_set1_ps(f2), a);
        _mm512_storeu_ps(out + d, a);
    }
}

#endif
