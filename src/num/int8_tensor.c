/* int8 with one scale for a whole tensor. Rows carry a copy of it, [f32 scale][codes], so that each
 * can be read alone; a row packed by itself is a tensor of one row. */
#include "num/kit/int8.h"

static void pack_tensor(const float *in, int64_t rows, int64_t count, void *out) {
    float scale = int8_scale(int8_amax(in, rows * count));
    for (int64_t r = 0; r < rows; r++)
        int8_row_pack_scaled(in + r * count, count, scale, (char *)out + r * (4 + count));
}

static void pack_tensor_f64(const double *in, int64_t rows, int64_t count, void *out) {
    float scale = int8_scale(int8_amax_f64(in, rows * count));
    for (int64_t r = 0; r < rows; r++)
        int8_row_pack_f64_scaled(in + r * count, count, scale, (char *)out + r * (4 + count));
}

const num_format format_int8_tensor = {
    .name = "int8_tensor",
    .kind = NUM_BLOCK,
    .block_elems = 1,
    .block_bytes = 1,
    .row_head_bytes = 4,
    .error = INT8_ERROR,
    .unpack = int8_row_unpack,
    .pack = int8_row_pack,
    .pack_f64 = int8_row_pack_f64,
    .pack_tensor = pack_tensor,
    .pack_tensor_f64 = pack_tensor_f64,
};
