/* GGUF IQ4_NL: block = [f16 d][16 bytes], value = d * values[code] with sixteen values that lie
 * denser near zero; byte i holds code i below and code i + 16 above. */
#include "num/kit/quant.h"

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    quant_unpack_table(quant_iq4_values, quant_load_f16(b), b + 2, out);
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    float inverse = quant_inverse(quant_store_f16(quant_fit_iq4(x, weight, 32), b));
    int32_t code[32];
    quant_iq4_codes(x, 32, inverse, code);
    for (int i = 0; i < 16; i++) b[2 + i] = (uint8_t)(code[i] | code[i + 16] << 4);
}

static void poison_block(uint8_t *b) {
    quant_store_nan(b);
}

QUANT_FORMAT(iq4_nl, 32, 18, 0.1275, 65504.0 * 127);
