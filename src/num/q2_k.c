/* GGUF Q2_K: block of 256 = [16 bytes of scales][64 bytes of codes][f16 d][f16 dmin]. Group g of 16
 * values has its 4-bit scale below and its 4-bit minimum above in byte g; value = d * scale * code -
 * dmin * minimum. Value 128 h + 32 s + i has its code at bits 2 s of byte 32 h + i. */
#include "num/kit/quant.h"

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    float d = quant_load_f16(b + 80), dmin = quant_load_f16(b + 82);
    for (int g = 0; g < 16; g++) {
        float step = d * (float)(b[g] & 15), low = dmin * (float)(b[g] >> 4);
        const uint8_t *code = b + 16 + g / 8 * 32 + g % 2 * 16;
        int shift = g / 2 % 4 * 2;
        for (int i = 0; i < 16; i++) out[16 * g + i] = step * (float)(code[i] >> shift & 3) - low;
    }
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    float step[16], low[16], most_step = 0, most_low = 0;
    for (int g = 0; g < 16; g++) {
        quant_fit_affine(x + 16 * g, quant_part(weight, 16 * g), 16, 3, &step[g], &low[g]);
        most_step = MAX_OF(most_step, step[g]);
        most_low = MAX_OF(most_low, low[g]);
    }
    float d = quant_store_f16(most_step / 15, b + 80);
    float dmin = quant_store_f16(most_low / 15, b + 82);
    for (int g = 0; g < 16; g++) {
        int scale = quant_nearest(step[g] * quant_inverse(d), 0, 15);
        int minimum = quant_nearest(low[g] * quant_inverse(dmin), 0, 15);
        float inverse = quant_inverse(d * (float)scale), m = dmin * (float)minimum;
        uint8_t *code = b + 16 + g / 8 * 32 + g % 2 * 16;
        int shift = g / 2 % 4 * 2;
        b[g] = (uint8_t)(scale | minimum << 4);
        for (int i = 0; i < 16; i++)
            code[i] |= (uint8_t)(quant_nearest((x[16 * g + i] + m) * inverse, 0, 3) << shift);
    }
}

static void poison_block(uint8_t *b) {
    quant_store_nan(b + 80);
}

QUANT_FORMAT(q2_k, 256, 84, 0.62, 65504.0 * 15);
