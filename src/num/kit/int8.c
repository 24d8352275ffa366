/* Symmetric int8 rows (the equations are in the header). */
#include "num/kit/int8.h"
#include "num/kit/half.h"
#include <math.h>

float int8_amax(const float *in, int64_t count) {
    uint32_t most = 0; /* magnitudes order like their bits, NaN above infinity */
    for (int64_t i = 0; i < count; i++) most = MAX_OF(most, half_bits(in[i]) & 0x7fffffff);
    return most >= 0x7f800000 ? NAN : half_float(most);
}

float int8_scale(float amax) {
    return amax / 127.0f;
}

void int8_encode(const float *in, int64_t count, float scale, int8_t *code) {
    if (!(scale > 0)) {
        memset(code, 0, (size_t)count);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        float q = in[i] / scale;
        q = MAX_OF(-127.0f, MIN_OF(127.0f, q));
        code[i] = (int8_t)lrintf(q);
    }
}

void int8_decode(const int8_t *code, int64_t count, float scale, float *out) {
    for (int64_t i = 0; i < count; i++) out[i] = scale * (float)code[i];
}

void int8_row_unpack(const void *row, int64_t first, int64_t count, float *out) {
    float scale;
    memcpy(&scale, row, 4);
    int8_decode((const int8_t *)row + 4 + first, count, scale, out);
}

void int8_row_pack_scaled(const float *in, int64_t count, float scale, void *row) {
    memcpy(row, &scale, 4);
    int8_encode(in, count, scale, (int8_t *)row + 4);
}

void int8_row_pack(const float *in, int64_t count, void *row) {
    int8_row_pack_scaled(in, count, int8_scale(int8_amax(in, count)), row);
}

float int8_amax_f64(const double *in, int64_t count) {
    float amax = 0;
    for (int64_t i = 0; i < count; i++) {
        float x = (float)in[i];
        float m = int8_amax(&x, 1);
        if (isnan(m)) return m;
        amax = MAX_OF(amax, m);
    }
    return amax;
}

void int8_row_pack_f64_scaled(const double *in, int64_t count, float scale, void *row) {
    memcpy(row, &scale, 4);
    for (int64_t i = 0; i < count; i++) {
        float x = (float)in[i];
        int8_encode(&x, 1, scale, (int8_t *)row + 4 + i);
    }
}

void int8_row_pack_f64(const double *in, int64_t count, void *row) {
    int8_row_pack_f64_scaled(in, count, int8_scale(int8_amax_f64(in, count)), row);
}
