/* GGUF Q5_K: block of 256 = [f16 d][f16 dmin][12 bytes of scales][32 bytes of high bits][128 bytes
 * of low bits]. As Q4_K, with bit j of high byte i for the fifth bit of value 32 j + i. */
#include "num/kit/quant.h"

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    float d = quant_load_f16(b), dmin = quant_load_f16(b + 2);
    uint8_t scale[8], minimum[8];
    quant_unpack_k4(b + 4, scale, minimum);
    for (int j = 0; j < 8; j++) {
        const uint8_t *low = b + 48 + j / 2 * 32, *high = b + 16;
        int shift = j % 2 * 4;
        float step = d * (float)scale[j], minus = dmin * (float)minimum[j];
        for (int i = 0; i < 32; i++) {
            int code = (low[i] >> shift & 15) | (high[i] >> j & 1) << 4;
            out[32 * j + i] = step * (float)code - minus;
        }
    }
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    uint8_t code[256];
    quant_pack_affine_k(x, weight, 31, b, code);
    for (int j = 0; j < 8; j++)
        for (int i = 0; i < 32; i++) {
            b[48 + j / 2 * 32 + i] |= (uint8_t)((code[32 * j + i] & 15) << (j % 2 * 4));
            b[16 + i] |= (uint8_t)(code[32 * j + i] >> 4 << j);
        }
}

static void poison_block(uint8_t *b) {
    quant_store_nan(b);
}

QUANT_FORMAT(q5_k, 256, 176, 0.078, 65504.0 * 63);
