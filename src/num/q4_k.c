/* GGUF Q4_K: block of 256 = [f16 d][f16 dmin][12 bytes of scales][128 bytes of codes]. Group j of 32
 * values has a 6-bit scale and minimum (layout in num/kit/quant.h); value = d * scale * code - dmin *
 * minimum. Byte 32 p + i holds the code of value 64 p + i below and of value 64 p + 32 + i above. */
#include "num/kit/quant.h"

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    float d = quant_load_f16(b), dmin = quant_load_f16(b + 2);
    uint8_t scale[8], minimum[8];
    quant_unpack_k4(b + 4, scale, minimum);
    for (int p = 0; p < 4; p++) {
        const uint8_t *code = b + 16 + 32 * p;
        float *to = out + 64 * p;
        float step0 = d * (float)scale[2 * p], low0 = dmin * (float)minimum[2 * p];
        float step1 = d * (float)scale[2 * p + 1], low1 = dmin * (float)minimum[2 * p + 1];
        for (int i = 0; i < 32; i++) to[i] = step0 * (float)(code[i] & 15) - low0;
        for (int i = 0; i < 32; i++) to[i + 32] = step1 * (float)(code[i] >> 4) - low1;
    }
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    uint8_t code[256];
    quant_pack_affine_k(x, weight, 15, b, code);
    for (int p = 0; p < 4; p++)
        for (int i = 0; i < 32; i++)
            b[16 + 32 * p + i] = (uint8_t)(code[64 * p + i] | code[64 * p + 32 + i] << 4);
}

static void poison_block(uint8_t *b) {
    quant_store_nan(b);
}

QUANT_FORMAT(q4_k, 256, 144, 0.13, 65504.0 * 63);
