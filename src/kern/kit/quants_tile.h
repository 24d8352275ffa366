/* The tile of quants.h, for any scheme that is known when it is compiled, on what the including folder's flags allow:
 * quants_avx512.h and quants_avx2.h have the registers, taking codes apart, and the dot products. A column is the
 * outputs of one register: a panel, or one half of it and then the other. */
#ifndef KERN_KIT_QUANTS_TILE_H
#define KERN_KIT_QUANTS_TILE_H

#include "kern/kit/quants.h"

/* Bytes ahead at which weights that stream by are asked for. */
enum { QUANTS_FETCH = 5 * 1024 };

#ifdef __AVX512F__
#include "kern/kit/quants_avx512.h"
#else
#include "kern/kit/quants_avx2.h"
#endif

enum {
    QUANTS_MAX_SUBS = 16,
    QUANTS_HALVES = QUANTS_LANES / QUANTS_WIDTH, /* columns of a panel */
    QUANTS_COLUMNS = QUANTS_PAIR * QUANTS_HALVES
};
typedef qf quants_factors[QUANTS_MAX_SUBS][QUANTS_COLUMNS];

/* d * scale and -dmin * minimum of eight blocks, for the lanes from `lane` on. */
ALWAYS_INLINE void quants_k4(const char *p, int lane, int at, qf (*scale)[QUANTS_COLUMNS],
                             qf (*min)[QUANTS_COLUMNS]) {
    qf d = qf_of_halves(p + 2 * lane), dmin = qf_negative(qf_of_halves(p + 32 + 2 * lane));
    qi low = qi_load(p + 64 + 4 * lane), high = qi_load(p + 128 + 4 * lane);
    qi both = qi_load(p + 192 + 4 * lane);
    const qi six = qi_set(63), four = qi_set(15), top = qi_set(0x30);
    for (int j = 0; j < 4; j++) {
        qi s = qi_and(qi_shift(low, -8 * j), six), m = qi_and(qi_shift(high, -8 * j), six);
        scale[j][at] = qf_mul(d, qf_of(s));
        min[j][at] = qf_mul(dmin, qf_of(m));
        s = qi_and(qi_shift(both, -8 * j), four);
        m = qi_and(qi_shift(both, -8 * j - 4), four);
        s = qi_merge(s, qi_shift(low, -8 * j - 2), top);
        m = qi_merge(m, qi_shift(high, -8 * j - 2), top);
        scale[j + 4][at] = qf_mul(d, qf_of(s));
        min[j + 4][at] = qf_mul(dmin, qf_of(m));
    }
}

/* Scales and minima of a unit's subs for the lanes from `lane` on, into column `at`. */
ALWAYS_INLINE void quants_scales(const quants_scheme *s, bool affine, const char *head,
                                 const char *p, int lane, int at, qf (*scale)[QUANTS_COLUMNS],
                                 qf (*min)[QUANTS_COLUMNS]) {
    const int subs = (int)quants_subs(s), per = QUANTS_BLOCK / s->sub;
    switch (s->scale) {
    case QUANTS_F16:
        for (int i = 0; i < subs; i++) scale[i][at] = qf_of_halves(p + 32 * (i / per) + 2 * lane);
        return;
    case QUANTS_F16_MIN:
        for (int i = 0; i < subs; i++) {
            scale[i][at] = qf_of_halves(p + 64 * (i / per) + 2 * lane);
            min[i][at] = qf_of_halves(p + 64 * (i / per) + 32 + 2 * lane);
        }
        return;
    case QUANTS_K4:
        quants_k4(p, lane, at, scale, min);
        return;
    case QUANTS_K6:
        for (int i = 0; i < subs; i++)
            scale[i][at] = qf_mul(qf_of_halves(p + 2 * lane),
                                  qf_of(qi_of_signed_bytes(p + 32 + 16 * i + lane)));
        return;
    case QUANTS_K2:
        for (int i = 0; i < subs; i++) {
            qi both = qi_of_bytes(p + 64 + 16 * i + lane);
            scale[i][at] = qf_mul(qf_of_halves(p + 2 * lane), qf_of(qi_and(both, qi_set(15))));
            min[i][at] =
                qf_mul(qf_negative(qf_of_halves(p + 32 + 2 * lane)), qf_of(qi_shift(both, -4)));
        }
        return;
    case QUANTS_F32:
    case QUANTS_ROW:
        for (int i = 0; i < subs; i++)
            scale[i][at] = qf_load((s->scale == QUANTS_ROW ? head : p) + 4 * lane);
        return;
    case QUANTS_F32_ZERO:
    case QUANTS_ROW_ZERO: {
        const char *from = s->scale == QUANTS_ROW_ZERO ? head : p;
        qf one = qf_load(from + 4 * lane);
        qf low = qf_mul(qf_negative(qf_of(qi_of_bytes(from + 64 + lane))), one);
        for (int i = 0; i < subs; i++) scale[i][at] = one, min[i][at] = low;
        return;
    }
    case QUANTS_READY:
        for (int i = 0; i < subs; i++) {
            scale[i][at] = qf_load(p + 64 * i + 4 * lane);
            if (affine) min[i][at] = qf_load(p + 64 * (subs + i) + 4 * lane);
        }
    }
}

/* Sub h of a block: its sums, scaled and added; columns first .. first + count - 1. */
ALWAYS_INLINE void quants_add(const quants_scheme *s, bool bf16, bool affine,
                              const quants_tables *x, int rows, int first, int count, bool stream,
                              const quants_tile *t, const char *const *block, const char *a,
                              const char *info, int h, const qf *scale, const qf *min,
                              qf acc[QUANTS_FEW][QUANTS_COLUMNS]) {
    const int groups = s->sub / 4;
    const char *info3 = info + 3 * t->a_stride, *info6 = info3 + 3 * t->a_stride;
    const quants_info *of[QUANTS_FEW];
    qi sum[QUANTS_FEW][QUANTS_PAIR];
    for (int r = 0; r < rows; r++) {
        const char *at = r < 3 ? info : r < 6 ? info3 : info6;
        of[r] = (const quants_info *)(at + r % 3 * t->a_stride);
        bool starts = !bf16 && (s->sub == QUANTS_BLOCK || !affine);
        for (int p = 0; p < count; p++) sum[r][p] = qi_set(starts ? of[r]->part[h].start : 0);
    }
    quants_dots(s, bf16, x, rows, count, stream, t, block + first, a, groups * h, groups * (h + 1),
                sum);
    for (int r = 0; r < rows; r++) {
        qf own = qf_set(of[r]->scale),
           total = qf_set(of[r]->part[s->sub == QUANTS_BLOCK ? 1 : h].sum);
        for (int p = 0; p < count; p++) {
            qf y = bf16 ? qf_of_bits(sum[r][p]) : qf_of(sum[r][p]);
            qf both = bf16 ? scale[first + p] : qf_mul(scale[first + p], own);
            qf *to = &acc[r][first + p];
            *to = qf_fma(y, both, *to);
            if (affine) *to = qf_fma(min[first + p], total, *to);
        }
    }
}

ALWAYS_INLINE void quants_run(const quants_scheme *s, bool bf16, bool affine, int rows, int panels,
                              bool stream, const quants_tile *t) {
    const int columns = panels * QUANTS_HALVES, once = MIN_OF(columns, (int)QUANTS_AT_ONCE);
    quants_tables x;
    quants_tables_of(s, bf16, &x);
    qf acc[QUANTS_FEW][QUANTS_COLUMNS];
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < columns; p++)
            acc[r][p] = t->first ? qf_set(0) : qf_load(t->c + 64 * r + QUANTS_WIDTH * p);
    const int64_t unit_bytes = quants_unit_bytes(s, affine),
                  scale_bytes = quants_scale_bytes(s, affine);
    const int per = QUANTS_BLOCK / s->sub;
    const char *a = t->a, *info = a + t->info_bytes, *fetch = t->fetch;
    const char *at = t->panel + quants_head_bytes(s->scale);
    for (int64_t u = 0; u < t->units; u++, at += unit_bytes) {
        quants_factors scale, min;
        const char *block[QUANTS_COLUMNS];
        for (int p = 0; p < columns; p++) {
            int64_t panel = p / QUANTS_HALVES * t->panel_bytes;
            int lane = p % QUANTS_HALVES * QUANTS_WIDTH;
            quants_scales(s, affine, t->panel + panel, at + panel, lane, p, scale, min);
            block[p] = at + panel + scale_bytes + 4 * lane;
        }
        if (stream)
            for (int64_t i = 0; i < scale_bytes; i += 64) PREFETCH_ONCE(at + QUANTS_FETCH + i);
        for (int b = 0; b < s->blocks; b++) {
            for (int p = 0; p < columns; p += once) {
                quants_add(s, bf16, affine, &x, rows, p, once, stream && !p, t, block, a, info, 0,
                           scale[b * per], min[b * per], acc);
                if (per == 2)
                    quants_add(s, bf16, affine, &x, rows, p, once, stream && !p, t, block, a, info,
                               1, scale[b * per + 1], min[b * per + 1], acc);
            }
            for (int p = 0; p < columns; p++) block[p] += quants_block_bytes(s);
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
        for (int p = 0; p < columns; p++) qf_store(t->c + 64 * r + QUANTS_WIDTH * p, acc[r][p]);
}

/* Blocks of a panel from unit `from` on, as ready operands under ready scales, one block a unit. */
ALWAYS_INLINE void quants_ready(const quants_scheme *s, bool bf16, bool affine, const char *panel,
                                int64_t from, int64_t units, char *out) {
    quants_tables x;
    quants_tables_of(s, bf16, &x);
    const int64_t unit_bytes = quants_unit_bytes(s, affine);
    const char *at = panel + quants_head_bytes(s->scale) + from * unit_bytes;
    const int per = QUANTS_BLOCK / s->sub, step = 4 * QUANTS_WIDTH;
    for (int64_t u = 0; u < units; u++, at += unit_bytes) {
        quants_factors scale, min;
        for (int p = 0; p < QUANTS_HALVES; p++)
            quants_scales(s, affine, panel, at, p * QUANTS_WIDTH, p, scale, min);
        const char *block = at + quants_scale_bytes(s, affine);
        for (int b = 0; b < s->blocks; b++, block += quants_block_bytes(s)) {
            for (int h = 0; h < per; h++)
                for (int p = 0; p < QUANTS_HALVES; p++, out += step)
                    qf_store(out, scale[b * per + h][p]);
            for (int h = 0; h < per && affine; h++)
                for (int p = 0; p < QUANTS_HALVES; p++, out += step)
                    qf_store(out, min[b * per + h][p]);
            for (int g = 0; g < 8; g++, out += bf16 ? 128 : 64)
                for (int p = 0; p < QUANTS_HALVES; p++)
                    quants_put_ready(s, bf16, &x, block + step * p, g, out + step * p);
        }
    }
}

#endif
