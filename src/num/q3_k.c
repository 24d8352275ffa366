/* GGUF Q3_K: block of 256 = [32 bytes of high bits][64 bytes of low bits][12 bytes of scales][f16
 * d]. Value 128 h + 32 s + i has its two low bits at bits 2 s of byte 32 h + i, and its high bit at
 * bit 4 h + s of high byte i; the code is low - 4 where the high bit is 0. Group g of 16 values has
 * a 6-bit scale, less 32: four bits in nibble g / 8 of byte g % 8, two bits at bits 2 (g / 4) of
 * byte 8 + g % 4. value = d * scale * code. */
#include "num/kit/quant.h"

static void store_scale(uint8_t *packed, int g, int scale) {
    int code = scale + 32;
    packed[g % 8] |= (uint8_t)((code & 15) << (g / 8 * 4));
    packed[8 + g % 4] |= (uint8_t)(code >> 4 << (g / 4 * 2));
}

/* 32 values of groups g and g + 1; the shifts are constants where this is inlined. */
ALWAYS_INLINE void unpack_pair(const uint8_t *restrict b, float d, int g, float *restrict out) {
    const uint8_t *low = b + 32 + g / 8 * 32, *high = b;
    const int shift = g / 2 % 4 * 2, bit = g / 2;
    for (int k = 0; k < 2; k++) {
        float step = d * (float)quant_scale_k3(b + 96, g + k);
        for (int i = 16 * k; i < 16 * k + 16; i++) {
            int code = (low[i] >> shift & 3) | (high[i] >> bit & 1) << 2;
            out[i] = step * (float)(code - 4);
        }
    }
}

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    float d = quant_load_f16(b + 108);
    unpack_pair(b, d, 0, out);
    unpack_pair(b, d, 2, out + 32);
    unpack_pair(b, d, 4, out + 64);
    unpack_pair(b, d, 6, out + 96);
    unpack_pair(b, d, 8, out + 128);
    unpack_pair(b, d, 10, out + 160);
    unpack_pair(b, d, 12, out + 192);
    unpack_pair(b, d, 14, out + 224);
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    float step[16];
    for (int g = 0; g < 16; g++)
        step[g] = quant_fit_symmetric(x + 16 * g, quant_part(weight, 16 * g), 16, 4);
    float d = quant_store_f16(quant_extreme(step, 16) / -32, b + 108);
    for (int g = 0; g < 16; g++) {
        int scale = quant_nearest(step[g] * quant_inverse(d), -32, 31);
        float inverse = quant_inverse(d * (float)scale);
        uint8_t *low = b + 32 + g / 8 * 32 + g % 2 * 16, *high = b + g % 2 * 16;
        store_scale(b + 96, g, scale);
        for (int i = 0; i < 16; i++) {
            int code = quant_nearest(x[16 * g + i] * inverse, -4, 3) + 4;
            low[i] |= (uint8_t)((code & 3) << (g / 2 % 4 * 2));
            high[i] |= (uint8_t)(code >> 2 << (g / 2));
        }
    }
}

static void poison_block(uint8_t *b) {
    quant_store_nan(b + 108);
}

QUANT_FORMAT(q3_k, 256, 110, 0.29, 65504.0 * 32);
