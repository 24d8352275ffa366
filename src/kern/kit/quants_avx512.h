/* The tile of quants.h, for any scheme that is known when it is compiled. */
#ifndef KERN_KIT_QUANTS_AVX512_H
#define KERN_KIT_QUANTS_AVX512_H

#include "kern/kit/quants.h"
#include "num/kit/quant.h"
#include <immintrin.h>
#include <string.h>

enum { QUANTS_MAX_SUBS = 16, QUANTS_FETCH = 12 * 1024 };

ALWAYS_INLINE __m512 quants_half(const char *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
ALWAYS_INLINE __m512 quants_bytes(const char *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
ALWAYS_INLINE __m512 quants_signed(const char *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

/* d * scale and -dmin * minimum of eight blocks. */
ALWAYS_INLINE void quants_k4(const char *p, int at, __m512 (*scale)[QUANTS_PAIR],
                             __m512 (*min)[QUANTS_PAIR]) {
    const __m512 zero = _mm512_setzero_ps();
    __m512 d = quants_half(p), dmin = _mm512_sub_ps(zero, quants_half(p + 32));
    __m512i low = _mm512_loadu_si512(p + 64), high = _mm512_loadu_si512(p + 128);
    __m512i both = _mm512_loadu_si512(p + 192);
    const __m512i six = _mm512_set1_epi32(63), four = _mm512_set1_epi32(15);
    const __m512i top = _mm512_set1_epi32(0x30);
    for (int j = 0; j < 4; j++) {
        __m512i s = _mm512_and_si512(_mm512_srli_epi32(low, (unsigned)(8 * j)), six);
        __m512i m = _mm512_and_si512(_mm512_srli_epi32(high, (unsigned)(8 * j)), six);
        scale[j][at] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(s));
        min[j][at] = _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(m));
        s = _mm512_and_si512(_mm512_srli_epi32(low, (unsigned)(8 * j + 2)), top);
        m = _mm512_and_si512(_mm512_srli_epi32(high, (unsigned)(8 * j + 2)), top);
        s = _mm512_or_si512(s, _mm512_and_si512(_mm512_srli_epi32(both, (unsigned)(8 * j)), four));
        m = _mm512_or_si512(m,
                            _mm512_and_si512(_mm512_srli_epi32(both, (unsigned)(8 * j + 4)), four));
        scale[j + 4][at] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(s));
        min[j + 4][at] = _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(m));
    }
}

/* Scales and minima of a unit's subs, into column `at`. */
ALWAYS_INLINE void quants_scales(const quants_scheme *s, bool affine, const char *head,
                                 const char *p, int at, __m512 (*scale)[QUANTS_PAIR],
                                 __m512 (*min)[QUANTS_PAIR]) {
    const int subs = (int)quants_subs(s), per = QUANTS_BLOCK / s->sub;
    const __m512 none = _mm512_setzero_ps();
    switch (s->scale) {
    case QUANTS_F16:
        for (int i = 0; i < subs; i++) scale[i][at] = quants_half(p + 32 * (i / per));
        return;
    case QUANTS_F16_MIN:
        for (int i = 0; i < subs; i++) {
            scale[i][at] = quants_half(p + 64 * (i / per));
            min[i][at] = quants_half(p + 64 * (i / per) + 32);
        }
        return;
    case QUANTS_K4:
        quants_k4(p, at, scale, min);
        return;
    case QUANTS_K6:
        for (int i = 0; i < subs; i++)
            scale[i][at] = _mm512_mul_ps(quants_half(p), quants_signed(p + 32 + 16 * i));
        return;
    case QUANTS_K2:
        for (int i = 0; i < subs; i++) {
            __m128i both = _mm_loadu_si128((const __m128i *)(p + 64 + 16 * i));
            __m512i wide = _mm512_cvtepu8_epi32(both), four = _mm512_set1_epi32(15);
            scale[i][at] =
                _mm512_mul_ps(quants_half(p), _mm512_cvtepi32_ps(_mm512_and_si512(wide, four)));
            min[i][at] = _mm512_mul_ps(_mm512_sub_ps(none, quants_half(p + 32)),
                                       _mm512_cvtepi32_ps(_mm512_srli_epi32(wide, 4)));
        }
        return;
    case QUANTS_F32:
    case QUANTS_ROW:
        for (int i = 0; i < subs; i++)
            scale[i][at] = _mm512_loadu_ps(s->scale == QUANTS_ROW ? head : p);
        return;
    case QUANTS_F32_ZERO:
    case QUANTS_ROW_ZERO: {
        const char *from = s->scale == QUANTS_ROW_ZERO ? head : p;
        __m512 one = _mm512_loadu_ps(from);
        __m512 low = _mm512_mul_ps(_mm512_sub_ps(none, quants_bytes(from + 64)), one);
        for (int i = 0; i < subs; i++) scale[i][at] = one, min[i][at] = low;
        return;
    }
    case QUANTS_READY:
        for (int i = 0; i < subs; i++) {
            scale[i][at] = _mm512_loadu_ps(p + 64 * i);
            if (affine) min[i][at] = _mm512_loadu_ps(p + 64 * (subs + i));
        }
    }
}

/* Left by n, or right by -n, with bits of neighbours to be masked off. */
ALWAYS_INLINE __m512i quants_shift(__m512i x, int n) {
    return n > 0   ? _mm512_slli_epi32(x, (unsigned)n)
           : n < 0 ? _mm512_srli_epi32(x, (unsigned)-n)
                   : x;
}

/* Codes of group g of a block, or what stands for them in int8. */
ALWAYS_INLINE __m512i quants_codes(const quants_scheme *s, bool bf16, const char *block, int g) {
    if (s->bits == 8) return _mm512_loadu_si512(block + 64 * g);
    __m512i code = _mm512_setzero_si512();
    int done = 0;
    if (s->bits & 4) {
        code = quants_shift(_mm512_loadu_si512(block + 64 * (g / 2)), -4 * (g % 2));
        code = _mm512_and_si512(code, _mm512_set1_epi8(15));
        block += 256;
        done = 4;
    }
    if (s->bits & 2) {
        __m512i x = quants_shift(_mm512_loadu_si512(block + 64 * (g / 4)), done - 2 * (g % 4));
        code = _mm512_ternarylogic_epi32(code, x, _mm512_set1_epi8((char)(3 << done)), 0xf8);
        block += 128;
        done += 2;
    }
    if (s->bits & 1) {
        __m512i x = quants_shift(_mm512_loadu_si512(block), done - g);
        code = _mm512_ternarylogic_epi32(code, x, _mm512_set1_epi8((char)(1 << done)), 0xf8);
    }
    if (s->book == QUANTS_LINEAR || bf16) return code;
    const __m128i iq4 =
        _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153, (char)166,
                      (char)181, (char)197, (char)217, (char)241);
    const __m128i mxfp4 = _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
    __m512i table = _mm512_broadcast_i32x4(s->book == QUANTS_IQ4 ? iq4 : mxfp4);
    return _mm512_shuffle_epi8(table, code);
}

/* What codes stand for, as bf16, from words that hold a code each. */
ALWAYS_INLINE __m512i quants_bf16_of(const quants_scheme *s, __m512i words, __m512i low,
                                     __m512i high) {
    if (s->bits <= 5) return _mm512_permutexvar_epi16(words, low);
    if (s->bits <= 6) {
        __mmask32 upper = _mm512_test_epi16_mask(words, _mm512_set1_epi16(32));
        return _mm512_mask_permutexvar_epi16(_mm512_permutexvar_epi16(words, low), upper, words,
                                             high);
    }
    /* 2^23 + code, less 2^23 + zero: whole, and of at most 8 bits */
    const __m512i magic = _mm512_set1_epi32(0x4b000000), mask = _mm512_set1_epi32(0xffff);
    const __m512 less = _mm512_set1_ps(8388608.0f + (float)s->zero);
    __m512i even = _mm512_ternarylogic_epi32(magic, words, mask, 0xf8);
    __m512i odd = _mm512_or_si512(magic, _mm512_srli_epi32(words, 16));
    even = _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(even), less));
    odd = _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(odd), less));
    return _mm512_ternarylogic_epi32(_mm512_srli_epi32(even, 16), odd, _mm512_slli_epi32(mask, 16),
                                     0xf8);
}

/* bf16 of the 64 lowest codes, which compilers turn into constants. */
ALWAYS_INLINE void quants_tables(const quants_scheme *s, __m512i *low, __m512i *high) {
    static const float iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};
    static const float mxfp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    uint16_t table[64];
    for (int c = 0; c < 64; c++) {
        float x = s->book == QUANTS_IQ4     ? iq4[c % 16]
                  : s->book == QUANTS_MXFP4 ? mxfp4[c % 16]
                  : s->book == QUANTS_NF4   ? quant_nf4_values[c % 16]
                                            : (float)(c - s->zero);
        table[c] = half_to_bf16(x);
    }
    *low = _mm512_loadu_si512(table);
    *high = _mm512_loadu_si512(table + 32);
}

typedef struct quants_tables_of {
    __m512i low, high;
} quants_tables_of;

/* Register `e` (0: k0 and k2, 1: k1 and k3) of group g as pairs of bf16. */
ALWAYS_INLINE __m512i quants_pairs(const quants_scheme *s, const quants_tables_of *x, __m512i codes,
                                   int e) {
    const __m512i even = _mm512_set1_epi16(255);
    __m512i words = e ? _mm512_srli_epi16(codes, 8) : _mm512_and_si512(codes, even);
    return quants_bf16_of(s, words, x->low, x->high);
}

/* Group g of a block into the sums. */
ALWAYS_INLINE void quants_dot(const quants_scheme *s, bool bf16, const quants_tables_of *x,
                              int rows, int panels, const quants_tile *t, const char *const *block,
                              const char *a, int g, __m512i sum[QUANTS_FEW][QUANTS_PAIR]) {
    const char *a3 = a + 3 * t->a_stride, *a6 = a3 + 3 * t->a_stride;
    __m512i codes[QUANTS_PAIR], w[QUANTS_PAIR];
    for (int p = 0; p < panels && s->bits <= 8; p++) codes[p] = quants_codes(s, bf16, block[p], g);
    for (int e = 0; e < (bf16 ? 2 : 1); e++) {
        for (int p = 0; p < panels; p++)
            w[p] = s->bits == 16 ? _mm512_loadu_si512(block[p] + 128 * g + 64 * e)
                   : bf16        ? quants_pairs(s, x, codes[p], e)
                                 : codes[p];
        for (int r = 0; r < rows; r++) {
            const char *row = r < 3 ? a : r < 6 ? a3 : a6;
            int32_t group;
            memcpy(&group, row + r % 3 * t->a_stride + (bf16 ? 8 * g + 4 * e : 4 * g),
                   sizeof group);
            __m512i y = _mm512_set1_epi32(group);
            for (int p = 0; p < panels; p++) {
                sum[r][p] =
                    bf16 ? (__m512i)_mm512_dpbf16_ps((__m512)sum[r][p], (__m512bh)w[p], (__m512bh)y)
                         : _mm512_dpbusd_epi32(sum[r][p], w[p], y);
                IN_REGISTER(sum[r][p]);
            }
        }
    }
}

/* Groups [from, to) of a block. Ready operands are walked by a loop, which keeps compilers from loading all
 * of a block ahead of its use and running out of registers. */
ALWAYS_INLINE void quants_dots(const quants_scheme *s, bool bf16, const quants_tables_of *x,
                               int rows, int panels, bool stream, const quants_tile *t,
                               const char *const *block, const char *a, int from, int to,
                               __m512i sum[QUANTS_FEW][QUANTS_PAIR]) {
    if (s->scale == QUANTS_READY) {
        const int bytes = 8 * s->bits, step = bf16 ? 1 : 2; /* of a group; groups a turn */
        const char *at[QUANTS_PAIR];
        for (int p = 0; p < panels; p++) at[p] = block[p] + bytes * from;
        int64_t left = (to - from) / step;
        FORGET(left);
        for (a += (bf16 ? 8 : 4) * from; left > 0; left--, a += 8) {
            for (int g = 0; g < step; g++) quants_dot(s, bf16, x, rows, panels, t, at, a, g, sum);
            for (int p = 0; p < panels; p++) at[p] += step * bytes;
        }
        return;
    }
    UNROLLED
    for (int g = from; g < to; g++) {
        quants_dot(s, bf16, x, rows, panels, t, block, a, g, sum);
        if (stream && g * s->bits % 8 < s->bits)
            _mm_prefetch(block[0] + QUANTS_FETCH + 64 * (g * s->bits / 8), _MM_HINT_T0);
    }
}

/* Sub h of a block: its sums, scaled and added. */
ALWAYS_INLINE void quants_add(const quants_scheme *s, bool bf16, bool affine,
                              const quants_tables_of *x, int rows, int panels, bool stream,
                              const quants_tile *t, const char *const *block, const char *a,
                              const char *info, int h, const __m512 *scale, const __m512 *min,
                              __m512 acc[QUANTS_FEW][QUANTS_PAIR]) {
    const int groups = s->sub / 4;
    const char *info3 = info + 3 * t->a_stride, *info6 = info3 + 3 * t->a_stride;
    const quants_info *of[QUANTS_FEW];
    __m512i sum[QUANTS_FEW][QUANTS_PAIR];
    for (int r = 0; r < rows; r++) {
        const char *at = r < 3 ? info : r < 6 ? info3 : info6;
        of[r] = (const quants_info *)(at + r % 3 * t->a_stride);
        for (int p = 0; p < panels; p++)
            sum[r][p] = bf16 ? _mm512_setzero_si512() : _mm512_set1_epi32(of[r]->start[h]);
    }
    quants_dots(s, bf16, x, rows, panels, stream, t, block, a, groups * h, groups * (h + 1), sum);
    for (int r = 0; r < rows; r++) {
        __m512 own = _mm512_set1_ps(of[r]->scale), total = _mm512_set1_ps(of[r]->sum[h]);
        for (int p = 0; p < panels; p++) {
            __m512 y = bf16 ? (__m512)sum[r][p] : _mm512_cvtepi32_ps(sum[r][p]);
            __m512 both = bf16 ? scale[p] : _mm512_mul_ps(scale[p], own);
            acc[r][p] = _mm512_fmadd_ps(y, both, acc[r][p]);
            if (affine) acc[r][p] = _mm512_fmadd_ps(min[p], total, acc[r][p]);
        }
    }
}

ALWAYS_INLINE void quants_run(const quants_scheme *s, bool bf16, bool affine, int rows, int panels,
                              bool stream, const quants_tile *t) {
    quants_tables_of x = {0};
    if (bf16 && s->bits <= 8) quants_tables(s, &x.low, &x.high);
    __m512 acc[QUANTS_FEW][QUANTS_PAIR];
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < panels; p++)
            acc[r][p] = t->first ? _mm512_setzero_ps() : _mm512_loadu_ps(t->c + 64 * r + 16 * p);
    const int64_t unit_bytes = quants_unit_bytes(s, affine),
                  scale_bytes = quants_scale_bytes(s, affine);
    const int per = QUANTS_BLOCK / s->sub;
    const char *a = t->a, *info = a + t->info_bytes, *fetch = t->fetch;
    const char *at = t->panel + quants_head_bytes(s->scale);
    for (int64_t u = 0; u < t->units; u++, at += unit_bytes) {
        __m512 scale[QUANTS_MAX_SUBS][QUANTS_PAIR], min[QUANTS_MAX_SUBS][QUANTS_PAIR];
        const char *block[QUANTS_PAIR];
        for (int p = 0; p < panels; p++) {
            const char *unit = at + p * t->panel_bytes;
            quants_scales(s, affine, t->panel + p * t->panel_bytes, unit, p, scale, min);
            block[p] = unit + scale_bytes;
        }
        if (stream)
            for (int64_t i = 0; i < scale_bytes; i += 64)
                _mm_prefetch(at + QUANTS_FETCH + i, _MM_HINT_T0);
        for (int b = 0; b < s->blocks; b++) {
            quants_add(s, bf16, affine, &x, rows, panels, stream, t, block, a, info, 0,
                       scale[b * per], min[b * per], acc);
            if (per == 2)
                quants_add(s, bf16, affine, &x, rows, panels, stream, t, block, a, info, 1,
                           scale[b * per + 1], min[b * per + 1], acc);
            for (int p = 0; p < panels; p++) block[p] += quants_block_bytes(s);
            a += QUANTS_BLOCK * (bf16 ? 2 : 1);
            info += sizeof(quants_info);
            if (fetch && !stream) {
                for (int64_t i = 0; i < t->fetch_lines; i++)
                    _mm_prefetch(fetch + 64 * i, _MM_HINT_T1);
                fetch += 64 * t->fetch_lines;
            }
        }
    }
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < panels; p++) _mm512_storeu_ps(t->c + 64 * r + 16 * p, acc[r][p]);
}

/* Blocks of a panel from unit `from` on, as ready operands under ready scales, one block a unit. */
ALWAYS_INLINE void quants_ready(const quants_scheme *s, bool bf16, bool affine, const char *panel,
                                int64_t from, int64_t units, char *out) {
    quants_tables_of x = {0};
    if (bf16) quants_tables(s, &x.low, &x.high);
    const int64_t unit_bytes = quants_unit_bytes(s, affine);
    const char *at = panel + quants_head_bytes(s->scale) + from * unit_bytes;
    const int per = QUANTS_BLOCK / s->sub;
    for (int64_t u = 0; u < units; u++, at += unit_bytes) {
        __m512 scale[QUANTS_MAX_SUBS][QUANTS_PAIR], min[QUANTS_MAX_SUBS][QUANTS_PAIR];
        quants_scales(s, affine, panel, at, 0, scale, min);
        const char *block = at + quants_scale_bytes(s, affine);
        for (int b = 0; b < s->blocks; b++, block += quants_block_bytes(s)) {
            for (int h = 0; h < per; h++, out += 64) _mm512_storeu_ps(out, scale[b * per + h][0]);
            for (int h = 0; h < per && affine; h++, out += 64)
                _mm512_storeu_ps(out, min[b * per + h][0]);
            for (int g = 0; g < 8; g++) {
                __m512i codes = quants_codes(s, bf16, block, g);
                for (int e = 0; e < (bf16 ? 2 : 1); e++, out += 64)
                    _mm512_storeu_si512(out, bf16 ? quants_pairs(s, &x, codes, e) : codes);
            }
        }
    }
}

#endif
