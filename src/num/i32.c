/* Whole numbers of 32 bits that mean positions: token ids, offsets, page tables.
 * What does not fit is packed as the nearest that does. */
#include "num/num.h"

static void unpack_index(const void *row, int64_t first, int64_t count, int64_t *out) {
    for (int64_t i = 0; i < count; i++) out[i] = ((const int32_t *)row)[first + i];
}

static void pack_index(const int64_t *in, int64_t count, void *row) {
    for (int64_t i = 0; i < count; i++)
        ((int32_t *)row)[i] = (int32_t)MAX_OF(INT32_MIN, MIN_OF(INT32_MAX, in[i]));
}

const num_format format_i32 = {
    .name = "i32",
    .kind = NUM_INDEX,
    .block_elems = 1,
    .block_bytes = 4,
    .unpack_index = unpack_index,
    .pack_index = pack_index,
};
