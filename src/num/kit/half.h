/* The 16-bit floats by whole-number arithmetic, so that every machine gives the same bits: nearest,
 * ties to even, denormals kept, overflow to infinity, NaN made quiet with the top of its payload
 * kept. */
#ifndef NUM_KIT_HALF_H
#define NUM_KIT_HALF_H

#include "base/compiler.h"
#include <string.h>

ALWAYS_INLINE uint32_t half_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}
ALWAYS_INLINE float half_float(uint32_t u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}

/* bf16: 1 sign, 8 exponent, 7 mantissa. */
static inline float half_from_bf16(uint16_t h) {
    return half_float((uint32_t)h << 16);
}
static inline uint16_t half_to_bf16(float x) {
    uint32_t u = half_bits(x);
    uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    uint32_t nan = (u >> 16) | 0x40;
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

/* f16: 1 sign, 5 exponent (bias 15), 10 mantissa. */
ALWAYS_INLINE float half_from_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
    if (exponent == 31) return half_float(sign | 0x7f800000 | mantissa << 13);
    if (exponent) return half_float(sign | (exponent + 112) << 23 | mantissa << 13);
    /* mantissa * 2^-24, exact in float */
    float magnitude = (float)mantissa * 0x1p-24f;
    return half_float(sign | half_bits(magnitude));
}
static inline uint16_t half_to_f16(float x) {
    uint32_t u = half_bits(x), sign = (u >> 16) & 0x8000;
    u &= 0x7fffffff;
    if (u > 0x7f800000) return (uint16_t)(sign | 0x7e00 | ((u >> 13) & 0x3ff));
    if (u >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and above */
    if (u < 0x33000000) return (uint16_t)sign;             /* below half of the least denormal */
    uint32_t exponent = u >> 23, shift = exponent < 113 ? 126 - exponent : 13;
    uint32_t mantissa = exponent < 113 ? (u & 0x7fffff) | 0x800000 : u - (112u << 23);
    uint32_t half = 1u << (shift - 1), kept = mantissa >> shift;
    uint32_t lost = mantissa & (2 * half - 1);
    kept += lost > half || (lost == half && (kept & 1));
    return (uint16_t)(sign | kept);
}

/* The float next to x towards zero, with its last bit set if anything was lost. */
static inline float half_round_to_odd(double x) {
    float f = (float)x;
    if (f != f || (double)f == x) return f;
    uint32_t u = half_bits(f);
    double magnitude = x < 0 ? -x : x, got = f < 0 ? -(double)f : (double)f;
    if (got > magnitude) u--;
    return half_float(u | 1);
}

#endif
