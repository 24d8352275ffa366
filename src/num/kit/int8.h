/* Symmetric int8: scale = amax / 127, code = round(x / scale) in -127..127, value = scale * code.
 * A group that holds NaN or infinity gets a NaN scale and reads as NaN throughout: no code can say
 * which element it was, and hiding it would be worse. */
#ifndef NUM_KIT_INT8_H
#define NUM_KIT_INT8_H

#include "num/num.h"

/* The largest magnitude, NaN if any value is not finite. */
float int8_amax(const float *in, int64_t count);
float int8_scale(float amax);
void int8_encode(const float *in, int64_t count, float scale, int8_t *code);
void int8_decode(const int8_t *code, int64_t count, float scale, float *out);

/* Rows as [f32 scale][codes]. */
void int8_row_unpack(const void *row, int64_t first, int64_t count, float *out);
void int8_row_pack(const float *in, int64_t count, void *row);
void int8_row_pack_f64(const double *in, int64_t count, void *row);
/* The same with a given scale. */
void int8_row_pack_scaled(const float *in, int64_t count, float scale, void *row);

/* Blocks as [f32 scale][`group` codes]; the last one is filled up with zeros. */
void int8_group_unpack(int64_t group, const void *row, int64_t first, int64_t count, float *out);
void int8_group_pack(int64_t group, const float *in, int64_t count, void *row);

#define INT8_ERROR (0.5 / 127 + 0x1p-20)

/* A whole format with groups of N. */
#define INT8_GROUP_FORMAT(N)                                                                       \
    static void unpack(const void *row, int64_t first, int64_t count, float *out) {                \
        int8_group_unpack(N, row, first, count, out);                                              \
    }                                                                                              \
    static void pack(const float *in, int64_t count, void *row) {                                  \
        int8_group_pack(N, in, count, row);                                                        \
    }                                                                                              \
    const num_format format_int8_g##N = {                                                          \
        .name = "int8_g" #N,                                                                       \
        .kind = NUM_BLOCK,                                                                         \
        .block_elems = N,                                                                          \
        .block_bytes = 4 + N,                                                                      \
        .error = INT8_ERROR,                                                                       \
        .unpack = unpack,                                                                          \
        .pack = pack,                                                                              \
    }

#endif
