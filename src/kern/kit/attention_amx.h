/* Attention's matrix product on AMX tiles: 32 rows by 32 columns in four accumulators. An element is a chain
 * of steps of 16 pairs, in order, from zero or from what `c` holds; the packed tiles are those of AVX-512.
 * Rows go by 16: what lies behind the last row is computed and never read. */
#ifndef KERN_KIT_ATTENTION_AMX_H
#define KERN_KIT_ATTENTION_AMX_H

#include "kern/kit/attention_simd.h"

enum { ATTN_AMX_ROWS = 16, ATTN_AMX_STEPS = 16 };

/* All eight tiles of this thread are 16 rows of 64 bytes until attn_amx_end. */
static inline void attn_amx_begin(void) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } ALIGNED(64) config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = ATTN_AMX_ROWS;
    }
    _tile_loadconfig(&config);
}

static inline void attn_amx_end(void) {
    _tile_release();
}

/* 32 rows (16 unless `tall`) by 32 columns (16 unless `wide`). */
ALWAYS_INLINE void attn_amx_block(bool tall, bool wide, bool add, const uint32_t *a,
                                  int64_t a_stride, const uint32_t *b, int64_t b_stride, float *c,
                                  int64_t c_stride, int64_t steps) {
    const int64_t a_bytes = a_stride * 4, b_bytes = b_stride * 4, c_bytes = c_stride * 4;
    float *low = c + 16 * c_stride;
    if (add) {
        _tile_loadd(0, c, c_bytes);
        if (wide) _tile_loadd(1, c + 16, c_bytes);
        if (tall) _tile_loadd(2, low, c_bytes);
        if (tall && wide) _tile_loadd(3, low + 16, c_bytes);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t t = 0; t < steps; t += ATTN_AMX_STEPS) {
        _tile_loadd(6, b + t * b_stride, b_bytes);
        _tile_loadd(4, a + t, a_bytes);
        _tile_dpbf16ps(0, 4, 6);
        if (wide) {
            _tile_loadd(7, b + t * b_stride + 16, b_bytes);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (tall) {
            _tile_loadd(5, a + 16 * a_stride + t, a_bytes);
            _tile_dpbf16ps(2, 5, 6);
            if (wide) _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, c, c_bytes);
    if (wide) _tile_stored(1, c + 16, c_bytes);
    if (tall) _tile_stored(2, low, c_bytes);
    if (tall && wide) _tile_stored(3, low + 16, c_bytes);
}

static inline void attn_amx_product(int64_t rows, int vectors, bool add, const uint32_t *a,
                                    int64_t a_stride, const uint32_t *b, int64_t b_stride, float *c,
                                    int64_t c_stride, int64_t steps) {
    for (int64_t r = 0; r < rows; r += 32) {
        const uint32_t *ar = a + r * a_stride;
        float *cr = c + r * c_stride;
        bool tall = rows - r > ATTN_AMX_ROWS;
        for (int v = 0; v < vectors; v += 2) {
            const uint32_t *bv = b + 16 * v;
            float *cv = cr + 16 * v;
            if (tall && vectors - v > 1)
                attn_amx_block(true, true, add, ar, a_stride, bv, b_stride, cv, c_stride, steps);
            else if (tall)
                attn_amx_block(true, false, add, ar, a_stride, bv, b_stride, cv, c_stride, steps);
            else if (vectors - v > 1)
                attn_amx_block(false, true, add, ar, a_stride, bv, b_stride, cv, c_stride, steps);
            else
                attn_amx_block(false, false, add, ar, a_stride, bv, b_stride, cv, c_stride, steps);
        }
    }
}

#endif
