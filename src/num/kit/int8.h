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
float int8_amax_f64(const double *in, int64_t count);
void int8_row_pack_f64_scaled(const double *in, int64_t count, float scale, void *row);
/* The same with a given scale. */
void int8_row_pack_scaled(const float *in, int64_t count, float scale, void *row);

#define INT8_ERROR (0.5 / 127 + 0x1p-20)

#endif
