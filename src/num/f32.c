/* IEEE single. */
#include "num/num.h"
#include <string.h>

static void unpack(const void *row, int64_t first, int64_t count, float *out) {
    memcpy(out, (const float *)row + first, (size_t)count * sizeof *out);
}

static void pack(const float *in, int64_t count, void *row) {
    memcpy(row, in, (size_t)count * sizeof *in);
}

static void pack_f64(const double *in, int64_t count, void *row) {
    for (int64_t i = 0; i < count; i++) ((float *)row)[i] = (float)in[i];
}

const num_format format_f32 = {
    .name = "f32",
    .kind = NUM_FLOAT,
    .block_elems = 1,
    .block_bytes = 4,
    .error = 0x1p-24,
    .largest = 0x1.fffffep127,
    .unpack = unpack,
    .pack = pack,
    .pack_f64 = pack_f64,
};
