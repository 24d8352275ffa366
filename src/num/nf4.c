/* NF4 (Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs", 2023, section 3 and
 * appendix E): block of 64 = [f32 largest magnitude][32 bytes], value = magnitude * values[code],
 * the values being quantiles of the normal distribution scaled to -1..1. As in bitsandbytes, byte i
 * holds code 2 i above and code 2 i + 1 below. Packing: nearest, ties to the smaller value. */
#include "num/kit/quant.h"

const float quant_nf4_values[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    float scale;
    memcpy(&scale, b, 4);
    for (int i = 0; i < 4; i++)
        lookup_pairs_16(quant_nf4_values, b + 4 + 8 * i, scale, out + 16 * i);
}

static int nearest(float v) {
    int lo = 0, hi = 15;
    while (hi - lo > 1) {
        int mid = (lo + hi) / 2;
        if (v < quant_nf4_values[mid])
            hi = mid;
        else
            lo = mid;
    }
    return v - quant_nf4_values[lo] <= quant_nf4_values[hi] - v ? lo : hi;
}

static void pack_block(const float *x, const float *weight, uint8_t *b) {
    (void)weight;
    float scale = fabsf(quant_extreme(x, 64)), inverse = quant_inverse(scale);
    memcpy(b, &scale, 4);
    for (int i = 0; i < 32; i++)
        b[4 + i] = (uint8_t)(nearest(x[2 * i] * inverse) << 4 | nearest(x[2 * i + 1] * inverse));
}

static void poison_block(uint8_t *b) {
    const float nan = NAN;
    memcpy(b, &nan, 4);
}

QUANT_FORMAT(nf4, 64, 36, 0.1520, 0x1.fffffep127);
