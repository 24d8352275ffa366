/* Whole numbers of 64 bits that mean positions: token ids, offsets, page tables. */
#include "num/num.h"

static void unpack_index(const void *row, int64_t first, int64_t count, int64_t *out) {
    for (int64_t i = 0; i < count; i++) out[i] = ((const int64_t *)row)[first + i];
}

static void pack_index(const int64_t *in, int64_t count, void *row) {
    for (int64_t i = 0; i < count; i++) ((int64_t *)row)[i] = in[i];
}

const num_format format_i64 = {
    .name = "i64",
    .kind = NUM_INDEX,
    .block_elems = 1,
    .block_bytes = 8,
    .unpack_index = unpack_index,
    .pack_index = pack_index,
};
