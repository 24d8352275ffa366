/* What the block formats of GGUF and bitsandbytes share: walking a row by blocks, and choosing a
 * step for a group of values.
 *
 * A format's file defines unpack_block, pack_block (for finite values, with weights or NULL) and poison_block,
 * which makes a zeroed block read as NaN or infinity throughout: it is what a block with a value that is not
 * finite becomes, since no code can say which one it was. A row whose length is not whole blocks is
 * filled up with zeros. */
#ifndef NUM_KIT_QUANT_H
#define NUM_KIT_QUANT_H

#include "num/kit/half.h"
#include "num/num.h"
#include <math.h>

#define QUANT_NAN_F16 0x7e00

ALWAYS_INLINE float quant_load_f16(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, 2);
    return half_from_f16(h);
}

/* Stores x rounded and returns what was stored. */
static inline float quant_store_f16(float x, uint8_t *p) {
    uint16_t h = half_to_f16(x);
    memcpy(p, &h, 2);
    return half_from_f16(h);
}

static inline void quant_store_nan(uint8_t *p) {
    uint16_t h = QUANT_NAN_F16;
    memcpy(p, &h, 2);
}

static inline bool quant_finite(const float *x, int n) {
    uint32_t most = 0;
    for (int i = 0; i < n; i++) most = MAX_OF(most, half_bits(x[i]) & 0x7fffffff);
    return most < 0x7f800000;
}

/* 1/d, and 0 where that is not finite: the values are then too small for the format. */
static inline float quant_inverse(float d) {
    float inverse = 1.0f / d;
    return fabsf(inverse) <= 0x1.fffffep127f ? inverse : 0;
}

/* The value of largest magnitude, the first of equals. */
static inline float quant_extreme(const float *x, int n) {
    float extreme = x[0];
    for (int i = 1; i < n; i++)
        if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
    return extreme;
}

static inline void quant_range(const float *x, int n, float *lo, float *hi) {
    *lo = *hi = x[0];
    for (int i = 1; i < n; i++) {
        if (x[i] < *lo) *lo = x[i];
        if (x[i] > *hi) *hi = x[i];
    }
}

/* Nearest whole number, ties to even, within lo..hi. */
static inline int quant_nearest(float v, int lo, int hi) {
    if (!(v > (float)lo)) return lo;
    if (v > (float)hi) return hi;
    return (int)lrintf(v);
}

/* Fits. With weights (NULL: all alike) the squared errors count so much, and single ones may be large. */

/* Weights of the values from `first` on. */
static inline const float *quant_part(const float *weight, int first) {
    return weight ? weight + first : NULL;
}
/* x ~ step * q - low with q in 0..top, low >= 0. Starts from the plain range and takes a
 * least-squares fit where it lowers the squared error without any error above 0.75 of the plain
 * step. */
void quant_fit_affine(const float *x, const float *weight, int n, int top, float *step, float *low);
/* x ~ step * q with q in -half..half-1; step has either sign. No error above the plain step. */
float quant_fit_symmetric(const float *x, const float *weight, int n, int half);

/* Sixteen values of 4 bits, increasing, shared by IQ4_NL and IQ4_XS. */
extern const int8_t quant_iq4_values[16];
extern const float quant_nf4_values[16];
/* MXFP4: twice the values of E2M1; 2^(e - 128), the two lowest being denormal. */
extern const int8_t quant_mxfp4_values[16];
ALWAYS_INLINE float quant_scale_mx(uint8_t e) {
    return half_float(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}
/* out[i] = d * values[low half of code i], out[16 + i] with the high half. */
ALWAYS_INLINE void quant_unpack_table(const int8_t *values, float d, const uint8_t *restrict code,
                                      float *restrict out) {
    lookup_16(values, code, 0, d, out);
    lookup_16(values, code, 4, d, out + 16);
}
/* Codes of the nearest values to x * inverse; n <= 32. */
void quant_iq4_codes(const float *x, int n, float inverse, int32_t *code);
/* x ~ step * value; no error above 16/127 of the largest magnitude. */
float quant_fit_iq4(const float *x, const float *weight, int n);

/* Q4_K and Q5_K keep eight pairs of 6-bit scale and minimum in 12 bytes:
 *   byte j < 4:  scale j, above it the top two bits of scale j + 4
 *   byte j + 4:  minimum j, above it the top two bits of minimum j + 4
 *   byte j + 8:  low four bits of scale j + 4, above them those of minimum j + 4 */
void quant_unpack_k4(const uint8_t packed[12], uint8_t scale[8], uint8_t minimum[8]);
void quant_pack_k4(const uint8_t scale[8], const uint8_t minimum[8], uint8_t packed[12]);
/* The scale of group g of Q3_K, from its 12 bytes (num/q3_k.c). */
ALWAYS_INLINE int quant_scale_k3(const uint8_t *packed, int g) {
    int low = packed[g % 8] >> (g / 8 * 4) & 15, high = packed[8 + g % 4] >> (g / 4 * 2) & 3;
    return (low | high << 4) - 32;
}
/* Fits the eight groups of 32 of a block of 256, stores d, dmin and the packed scales at `head` (16
 * bytes) and gives each value's code in 0..top. */
void quant_pack_affine_k(const float *x, const float *weight, int top, uint8_t *head,
                         uint8_t *code);

#define QUANT_FORMAT(NAME, ELEMS, BYTES, ERROR, LARGEST)                                           \
    VECTOR_CLONES                                                                                  \
    static void unpack(const void *row, int64_t first, int64_t count, float *out) {                \
        const uint8_t *b = (const uint8_t *)row + first / (ELEMS) * (BYTES);                       \
        int64_t i = 0;                                                                             \
        for (; i + (ELEMS) <= count; i += (ELEMS), b += (BYTES)) unpack_block(b, out + i);         \
        if (i == count) return;                                                                    \
        float rest[ELEMS];                                                                         \
        unpack_block(b, rest);                                                                     \
        memcpy(out + i, rest, (size_t)(count - i) * sizeof *out);                                  \
    }                                                                                              \
    static void pack_weighted(const float *in, const float *weight, int64_t count, void *row) {    \
        uint8_t *b = row;                                                                          \
        for (int64_t i = 0; i < count; i += (ELEMS), b += (BYTES)) {                               \
            float x[ELEMS] = {0}, w[ELEMS] = {0};                                                  \
            size_t n = (size_t)MIN_OF((ELEMS), count - i);                                         \
            memcpy(x, in + i, n * sizeof *in);                                                     \
            if (weight) memcpy(w, weight + i, n * sizeof *weight);                                 \
            memset(b, 0, (BYTES));                                                                 \
            if (quant_finite(x, (ELEMS)))                                                          \
                pack_block(x, weight ? w : NULL, b);                                               \
            else                                                                                   \
                poison_block(b);                                                                   \
        }                                                                                          \
    }                                                                                              \
    static void pack(const float *in, int64_t count, void *row) {                                  \
        pack_weighted(in, NULL, count, row);                                                       \
    }                                                                                              \
    const num_format format_##NAME = {                                                             \
        .name = #NAME,                                                                             \
        .kind = NUM_BLOCK,                                                                         \
        .block_elems = (ELEMS),                                                                    \
        .block_bytes = (BYTES),                                                                    \
        .error = (ERROR),                                                                          \
        .largest = (LARGEST),                                                                      \
        .unpack = unpack,                                                                          \
        .pack = pack,                                                                              \
        .pack_weighted = pack_weighted,                                                            \
    }

#endif
