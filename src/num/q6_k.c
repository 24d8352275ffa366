/* GGUF Q6_K: block of 256 = [128 bytes of low bits][64 bytes of high bits][16 int8 scales][f16 d].
 * Value 128 h + 64 n + i (i < 64) has its four low bits in nibble n of byte 64 h + i; value 128 h +
 * 32 s + i its two high bits at bits 2 s of high byte 32 h + i. Group g of 16 values has scale g;
 * value = d * scale * (code - 32). */
#include "num/kit/quant.h"

/* 32 values of two groups; the shifts are constants where this is inlined. */
ALWAYS_INLINE void unpack_quarter(const uint8_t *low, const uint8_t *high, int low_shift,
                                  int high_shift, float d, const uint8_t *scale, float *out) {
    for (int k = 0; k < 2; k++) {
        float step = d * (float)(int8_t)scale[k];
        for (int i = 16 * k; i < 16 * k + 16; i++) {
            int code = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
            out[i] = step * (float)(code - 32);
        }
    }
}

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    float d = quant_load_f16(b + 208);
    for (int h = 0; h < 2; h++) {
        const uint8_t *low = b + 64 * h, *high = b + 128 + 32 * h, *scale = b + 192 + 8 * h;
        float *to = out + 128 * h;
        unpack_quarter(low, high, 0, 0, d, scale, to);
        unpack_quarter(low + 32, high, 0, 2, d, scale + 2, to + 32);
        unpack_quarter(low, high, 4, 4, d, scale + 4, to + 64);
        unpack_quarter(low + 32, high, 4, 6, d, scale + 6, to + 96);
    }
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    float step[16];
    for (int g = 0; g < 16; g++)
        step[g] = quant_fit_symmetric(x + 16 * g, quant_part(weight, 16 * g), 16, 32);
    float d = quant_store_f16(quant_extreme(step, 16) / -128, b + 208);
    for (int i = 0; i < 256; i++) {
        int scale = quant_nearest(step[i / 16] * quant_inverse(d), -128, 127), q = i / 32;
        int code = quant_nearest(x[i] * quant_inverse(d * (float)scale), -32, 31) + 32;
        b[192 + i / 16] = (uint8_t)scale;
        b[q / 4 * 64 + q % 2 * 32 + i % 32] |= (uint8_t)((code & 15) << (q / 2 % 2 * 4));
        b[128 + q / 4 * 32 + i % 32] |= (uint8_t)(code >> 4 << (q % 4 * 2));
    }
}

static void poison_block(uint8_t *b) {
    quant_store_nan(b + 208);
    memset(b + 192, 1, 16);
}

QUANT_FORMAT(q6_k, 256, 210, 0.042, 65504.0 * 128);
