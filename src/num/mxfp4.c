/* MXFP4 as GGUF stores it (OCP Microscaling Formats v1.0, section 5.3: E2M1 under an E8M0 scale):
 * block = [u8 e][16 bytes], value = 2^(e - 128) * values[code] with twice the values of E2M1; byte i
 * holds code i below and code i + 16 above. Packing: e = floor(log2(largest magnitude)) - 2 + 127,
 * code = nearest, ties to the earlier code; magnitudes above 6 scales are cut. No code means NaN: a
 * block that is not finite reads as infinity. */
#include "num/kit/quant.h"

const int8_t quant_mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    quant_unpack_table(quant_mxfp4_values, quant_scale_mx(b[0]), b + 1, out);
}

static int nearest(float x, float d) {
    int best = 0;
    float least = fabsf(x);
    for (int k = 1; k < 16; k++) {
        float e = fabsf(d * (float)quant_mxfp4_values[k] - x);
        if (!(e < least)) continue;
        least = e;
        best = k;
    }
    return best;
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    (void)weight;
    float most = fabsf(quant_extreme(x, 32));
    float power = most > 0 ? floorf((float)log2((double)most)) - 2 + 127 : 0;
    b[0] = (uint8_t)MAX_OF(power, 0.0f);
    float d = quant_scale_mx(b[0]);
    for (int i = 0; i < 16; i++)
        b[1 + i] = (uint8_t)(nearest(x[i], d) | nearest(x[i + 16], d) << 4);
}

static void poison_block(uint8_t *b) {
    memset(b, 0x77, 17);
    b[0] = 255;
}

QUANT_FORMAT(mxfp4, 32, 17, 0.25, 0x1.8p127);
