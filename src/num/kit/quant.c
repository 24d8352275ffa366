/* Choosing steps. The plain step spans the range; the candidates around it are refitted by least
 * squares to the codes that they give, as is usual for k-means with a linear codebook, and compared
 * by squared error. Everything is in float and in a fixed order, so every machine packs alike. */
#include "num/kit/quant.h"

/* Steps that are tried on either side of the plain one: by eighths of a code to half a code, and with weights by
 * twentieths to a whole one. */
enum { CANDIDATES = 9, CANDIDATES_WEIGHTED = 41 };

static int candidates(const float *weight) {
    return weight ? CANDIDATES_WEIGHTED : CANDIDATES;
}

static float candidate(const float *weight, int k) {
    return weight ? 1 - 0.05f * (float)k : 0.5f - 0.125f * (float)k;
}

static float at(const float *weight, int i) {
    return weight ? weight[i] : 1;
}

void quant_fit_affine(const float *x, const float *weight, int n, int top, float *step,
                      float *low) {
    float lo, hi;
    quant_range(x, n, &lo, &hi);
    lo = MIN_OF(lo, 0.0f);
    float range = hi - lo, plain = range / (float)top;
    *step = plain;
    *low = -lo;
    if (!(quant_inverse(plain) > 0)) return;
    float best = 0;
    for (int i = 0; i < n; i++) {
        float e = plain * (float)quant_nearest((x[i] - lo) / plain, 0, top) + lo - x[i];
        best += e * e * at(weight, i);
    }
    for (int k = 0; k < candidates(weight); k++) {
        float inverse = ((float)top - candidate(weight, k)) / range, count = 0;
        float sum_q = 0, sum_qq = 0, sum_x = 0, sum_xq = 0, code[32];
        for (int i = 0; i < n; i++) {
            float q = code[i] = (float)quant_nearest((x[i] - lo) * inverse, 0, top);
            float w = at(weight, i);
            count += w;
            sum_q += w * q;
            sum_qq += w * q * q;
            sum_x += w * x[i];
            sum_xq += w * x[i] * q;
        }
        float det = count * sum_qq - sum_q * sum_q;
        if (!(det > 0)) continue;
        float fit = (count * sum_xq - sum_x * sum_q) / det;
        float offset = (sum_qq * sum_x - sum_q * sum_xq) / det;
        if (offset > 0) {
            offset = 0;
            fit = sum_xq / sum_qq;
        }
        float error = 0, most = 0;
        for (int i = 0; i < n; i++) {
            float e = fit * code[i] + offset - x[i];
            error += e * e * at(weight, i);
            most = MAX_OF(most, fabsf(e));
        }
        if (!(fit > 0) || !(error < best) || (!weight && most > 0.75f * plain)) continue;
        best = error;
        *step = fit;
        *low = -offset;
    }
}

float quant_fit_symmetric(const float *x, const float *weight, int n, int half) {
    float extreme = quant_extreme(x, n), plain = extreme / (float)-half, step = plain;
    if (quant_inverse(plain) == 0) return 0;
    float best = INFINITY;
    for (int k = -1; k < candidates(weight); k++) { /* the plain step first */
        float inverse = k < 0 ? 1 / plain : ((float)-half + candidate(weight, k)) / extreme;
        float sum_qq = 0, sum_xq = 0, code[32];
        for (int i = 0; i < n; i++) {
            float q = code[i] = (float)quant_nearest(x[i] * inverse, -half, half - 1);
            sum_qq += at(weight, i) * q * q;
            sum_xq += at(weight, i) * x[i] * q;
        }
        if (!(sum_qq > 0)) continue;
        float fit = k < 0 ? plain : sum_xq / sum_qq, error = 0, most = 0;
        for (int i = 0; i < n; i++) {
            float e = fit * code[i] - x[i];
            error += e * e * at(weight, i);
            most = MAX_OF(most, fabsf(e));
        }
        if (!(error < best) || (!weight && k >= 0 && most > fabsf(plain))) continue;
        best = error;
        step = fit;
    }
    return step;
}

const int8_t quant_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

/* The middle of two neighbours belongs to the lower one. One pass per boundary, over all values, is
 * what compilers turn into vector code. */
void quant_iq4_codes(const float *x, int n, float inverse, int32_t *code) {
    float v[32];
    for (int i = 0; i < n; i++) {
        v[i] = x[i] * inverse;
        code[i] = 0;
    }
    for (int k = 0; k < 15; k++) {
        float middle = 0.5f * (float)(quant_iq4_values[k] + quant_iq4_values[k + 1]);
        for (int i = 0; i < n; i++) code[i] += v[i] > middle;
    }
}

float quant_fit_iq4(const float *x, const float *weight, int n) {
    float extreme = quant_extreme(x, n), plain = extreme / (float)quant_iq4_values[0], step = plain;
    if (quant_inverse(plain) == 0) return 0;
    float best = INFINITY, allowed = fabsf(extreme) * (16.0f / 127);
    for (int k = -8; k <= 7; k++) { /* the plain step first */
        float inverse = k < -7 ? 1 / plain : ((float)quant_iq4_values[0] + (float)k) / extreme;
        float sum_vv = 0, sum_xv = 0, value[32];
        int32_t code[32];
        quant_iq4_codes(x, n, inverse, code);
        for (int i = 0; i < n; i++) {
            float v = value[i] = (float)quant_iq4_values[code[i]];
            sum_vv += at(weight, i) * v * v;
            sum_xv += at(weight, i) * x[i] * v;
        }
        if (!(sum_vv > 0)) continue;
        float fit = k < -7 ? plain : sum_xv / sum_vv, error = 0, most = 0;
        for (int i = 0; i < n; i++) {
            float e = fit * value[i] - x[i];
            error += e * e * at(weight, i);
            most = MAX_OF(most, fabsf(e));
        }
        if (!(error < best) || (!weight && most > allowed)) continue;
        best = error;
        step = fit;
    }
    return step;
}

void quant_unpack_k4(const uint8_t packed[12], uint8_t scale[8], uint8_t minimum[8]) {
    for (int j = 0; j < 4; j++) {
        uint8_t s = packed[j], m = packed[j + 4], both = packed[j + 8];
        scale[j] = s & 63;
        minimum[j] = m & 63;
        scale[j + 4] = (uint8_t)((both & 15) | s >> 6 << 4);
        minimum[j + 4] = (uint8_t)(both >> 4 | m >> 6 << 4);
    }
}

void quant_pack_k4(const uint8_t scale[8], const uint8_t minimum[8], uint8_t packed[12]) {
    for (int j = 0; j < 4; j++) {
        packed[j] = (uint8_t)(scale[j] | scale[j + 4] >> 4 << 6);
        packed[j + 4] = (uint8_t)(minimum[j] | minimum[j + 4] >> 4 << 6);
        packed[j + 8] = (uint8_t)((scale[j + 4] & 15) | (minimum[j + 4] & 15) << 4);
    }
}

void quant_pack_affine_k(const float *x, const float *weight, int top, uint8_t *head,
                         uint8_t *code) {
    float step[8], low[8], most_step = 0, most_low = 0;
    uint8_t scale[8], minimum[8];
    for (int j = 0; j < 8; j++) {
        quant_fit_affine(x + 32 * j, quant_part(weight, 32 * j), 32, top, &step[j], &low[j]);
        most_step = MAX_OF(most_step, step[j]);
        most_low = MAX_OF(most_low, low[j]);
    }
    float d = quant_store_f16(most_step / 63, head),
          dmin = quant_store_f16(most_low / 63, head + 2);
    for (int j = 0; j < 8; j++) {
        scale[j] = (uint8_t)quant_nearest(step[j] * quant_inverse(d), 0, 63);
        minimum[j] = (uint8_t)quant_nearest(low[j] * quant_inverse(dmin), 0, 63);
        float inverse = quant_inverse(d * (float)scale[j]), m = dmin * (float)minimum[j];
        for (int i = 32 * j; i < 32 * j + 32; i++)
            code[i] = (uint8_t)quant_nearest((x[i] + m) * inverse, 0, top);
    }
    quant_pack_k4(scale, minimum, head + 4);
}
