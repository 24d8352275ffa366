/* GGUF Q4_1: block = [f16 d][f16 m][16 bytes], value = d * code + m; byte i holds code i below and
 * code i + 16 above. Packing: m = minimum, d = (maximum - minimum) / 15, code = trunc((x - m) / d +
 * 0.5). */
#include "num/kit/quant.h"

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    float d = quant_load_f16(b), m = quant_load_f16(b + 2);
    for (int i = 0; i < 16; i++) out[i] = d * (float)(b[4 + i] & 15) + m;
    for (int i = 0; i < 16; i++) out[i + 16] = d * (float)(b[4 + i] >> 4) + m;
}

static int code(float x, float lo, float inverse) {
    return MIN_OF((int)((x - lo) * inverse + 0.5f), 15);
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    (void)weight;
    float lo, hi;
    quant_range(x, 32, &lo, &hi);
    float d = (hi - lo) / 15, inverse = quant_inverse(d);
    quant_store_f16(d, b);
    quant_store_f16(lo, b + 2);
    if (d > 0x1.fffffep127f) return; /* the range overflows; d reads as infinity */
    for (int i = 0; i < 16; i++)
        b[4 + i] = (uint8_t)(code(x[i], lo, inverse) | code(x[i + 16], lo, inverse) << 4);
}

static void poison_block(uint8_t *b) {
    quant_store_nan(b);
}

QUANT_FORMAT(q4_1, 32, 20, 1.0 / 15 + 0x1p-9, 65504.0);
