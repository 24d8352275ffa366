/* GGUF Q5_0: block = [f16 d][u32 high][16 bytes], value = d * (code - 16). Byte i holds the low four
 * bits of code i below and of code i + 16 above; bit i of `high` is the fifth bit of code i. Packing
 * as in Q4_0 with 16 for 8. */
#include "num/kit/quant.h"

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    float d = quant_load_f16(b);
    uint32_t high;
    int32_t code[32];
    memcpy(&high, b + 2, 4);
    join_fifth_16(b + 6, 0, high, code);
    join_fifth_16(b + 6, 4, high >> 16, code + 16);
    for (int i = 0; i < 32; i++) out[i] = d * (float)(code[i] - 16);
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    float d = weight ? quant_fit_symmetric(x, weight, 32, 16) : quant_extreme(x, 32) / -16;
    float inverse = quant_inverse(d);
    uint32_t high = 0;
    quant_store_f16(d, b);
    for (int i = 0; i < 32; i++) {
        uint32_t code = (uint32_t)MAX_OF(MIN_OF((int)(x[i] * inverse + 16.5f), 31), 0);
        b[6 + i % 16] |= (uint8_t)((code & 15) << (i / 16 * 4));
        high |= code >> 4 << i;
    }
    memcpy(b + 2, &high, 4);
}

static void poison_block(uint8_t *b) {
    quant_store_nan(b);
}

QUANT_FORMAT(q5_0, 32, 22, 1.0 / 16 + 0x1p-10, 65504.0 * 16);
