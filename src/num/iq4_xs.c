/* GGUF IQ4_XS: block of 256 = [f16 d][u16 high][4 bytes low][128 bytes of codes]. Group j of 32
 * values has a 6-bit scale, less 32: four bits in nibble j % 2 of low byte j / 2, two at bits 2 j of
 * `high`. value = d * scale * values[code] with the values of IQ4_NL; byte 16 j + i holds the code
 * of value 32 j + i below and of value 32 j + 16 + i above. */
#include "num/kit/quant.h"

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    float d = quant_load_f16(b);
    uint16_t high;
    memcpy(&high, b + 2, 2);
    for (int j = 0; j < 8; j++) {
        int scale = ((b[4 + j / 2] >> (j % 2 * 4) & 15) | (high >> (2 * j) & 3) << 4) - 32;
        quant_unpack_table(quant_iq4_values, d * (float)scale, b + 8 + 16 * j, out + 32 * j);
    }
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    float step[8];
    uint16_t high = 0;
    for (int j = 0; j < 8; j++) step[j] = quant_fit_iq4(x + 32 * j, quant_part(weight, 32 * j), 32);
    float d = quant_store_f16(quant_extreme(step, 8) / -32, b);
    for (int j = 0; j < 8; j++) {
        int scale = quant_nearest(step[j] * quant_inverse(d), -32, 31), code = scale + 32;
        float inverse = quant_inverse(d * (float)scale);
        b[4 + j / 2] |= (uint8_t)((code & 15) << (j % 2 * 4));
        high |= (uint16_t)(code >> 4 << (2 * j));
        int32_t group[32];
        quant_iq4_codes(x + 32 * j, 32, inverse, group);
        for (int i = 0; i < 16; i++) b[8 + 16 * j + i] = (uint8_t)(group[i] | group[i + 16] << 4);
    }
    memcpy(b + 2, &high, 2);
}

static void poison_block(uint8_t *b) {
    quant_store_nan(b);
}

QUANT_FORMAT(iq4_xs, 256, 136, 0.165, 65504.0 * 32);
