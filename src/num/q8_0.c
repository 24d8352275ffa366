/* GGUF Q8_0: block = [f16 d][32 int8], value = code * d. Packing: d = (largest magnitude) / 127,
 * code = x / d rounded with halves away from zero. */
#include "num/kit/quant.h"

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    float d = quant_load_f16(b);
    for (int i = 0; i < 32; i++) out[i] = (float)(int8_t)b[2 + i] * d;
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    (void)weight;
    float d = fabsf(quant_extreme(x, 32)) / 127, inverse = quant_inverse(d);
    quant_store_f16(d, b);
    for (int i = 0; i < 32; i++) {
        float v = fabsf(x[i] * inverse);
        int whole = (int)v, code = whole + (2 * (v - (float)whole) >= 1);
        b[2 + i] = (uint8_t)(x[i] * inverse < 0 ? -code : code);
    }
}

static void poison_block(uint8_t *b) {
    quant_store_nan(b);
}

QUANT_FORMAT(q8_0, 32, 34, 0.5 / 127 + 0x1p-10, 65504.0 * 127);
