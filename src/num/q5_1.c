/* GGUF Q5_1: block = [f16 d][f16 m][u32 high][16 bytes], value = d * code + m. Byte i holds the low
 * four bits of code i below and of code i + 16 above; bit i of `high` is the fifth bit of code i.
 * Packing as in Q4_1 with 31 for 15. */
#include "num/kit/quant.h"

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    float d = quant_load_f16(b), m = quant_load_f16(b + 2);
    uint32_t high;
    int32_t code[32];
    memcpy(&high, b + 4, 4);
    join_fifth_16(b + 8, 0, high, code);
    join_fifth_16(b + 8, 4, high >> 16, code + 16);
    for (int i = 0; i < 32; i++) out[i] = d * (float)code[i] + m;
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    (void)weight;
    float lo, hi;
    quant_range(x, 32, &lo, &hi);
    float d = (hi - lo) / 31, inverse = quant_inverse(d);
    uint32_t high = 0;
    quant_store_f16(d, b);
    quant_store_f16(lo, b + 2);
    if (d > 0x1.fffffep127f) return; /* the range overflows; d reads as infinity */
    for (int i = 0; i < 32; i++) {
        uint32_t code = (uint32_t)MIN_OF((int)((x[i] - lo) * inverse + 0.5f), 31);
        b[8 + i % 16] |= (uint8_t)((code & 15) << (i / 16 * 4));
        high |= code >> 4 << i;
    }
    memcpy(b + 4, &high, 4);
}

static void poison_block(uint8_t *b) {
    quant_store_nan(b);
}

QUANT_FORMAT(q5_1, 32, 24, 1.0 / 31 + 0x1p-9, 65504.0);
