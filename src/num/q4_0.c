/* GGUF Q4_0: block = [f16 d][16 bytes], value = d * (code - 8); byte i holds code i below and code
 * i + 16 above. Packing: d = (value of largest magnitude) / -8, so that it is exact, and code =
 * trunc(x / d + 8.5), which rounds halves up; the far end of the other side is cut to 7 d. */
#include "num/kit/quant.h"

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    float d = quant_load_f16(b);
    for (int i = 0; i < 16; i++) out[i] = d * (float)((b[2 + i] & 15) - 8);
    for (int i = 0; i < 16; i++) out[i + 16] = d * (float)((b[2 + i] >> 4) - 8);
}

static int code(float x, float inverse) {
    return MAX_OF(MIN_OF((int)(x * inverse + 8.5f), 15), 0);
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    float d = weight ? quant_fit_symmetric(x, weight, 32, 8) : quant_extreme(x, 32) / -8;
    float inverse = quant_inverse(d);
    quant_store_f16(d, b);
    for (int i = 0; i < 16; i++)
        b[2 + i] = (uint8_t)(code(x[i], inverse) | code(x[i + 16], inverse) << 4);
}

static void poison_block(uint8_t *b) {
    quant_store_nan(b);
}

QUANT_FORMAT(q4_0, 32, 18, 1.0 / 8 + 0x1p-10, 65504.0 * 8);
