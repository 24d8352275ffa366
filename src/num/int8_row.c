/* int8 with a scale for each row: [f32 scale][codes]. */
#include "num/kit/int8.h"

const num_format format_int8_row = {
    .name = "int8_row",
    .kind = NUM_BLOCK,
    .block_elems = 1,
    .block_bytes = 1,
    .row_head_bytes = 4,
    .error = INT8_ERROR,
    .unpack = int8_row_unpack,
    .pack = int8_row_pack,
    .pack_f64 = int8_row_pack_f64,
};
