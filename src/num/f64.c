/* IEEE double: what references compute in. */
#include "num/num.h"
#include <string.h>

static void unpack(const void *row, int64_t first, int64_t count, float *out) {
    for (int64_t i = 0; i < count; i++) out[i] = (float)((const double *)row)[first + i];
}

static void pack(const float *in, int64_t count, void *row) {
    for (int64_t i = 0; i < count; i++) ((double *)row)[i] = (double)in[i];
}

static void unpack_f64(const void *row, int64_t first, int64_t count, double *out) {
    memcpy(out, (const double *)row + first, (size_t)count * sizeof *out);
}

static void pack_f64(const double *in, int64_t count, void *row) {
    memcpy(row, in, (size_t)count * sizeof *in);
}

const num_format format_f64 = {
    .name = "f64",
    .kind = NUM_FLOAT,
    .block_elems = 1,
    .block_bytes = 8,
    .largest = 0x1.fffffffffffffp1023,
    .unpack = unpack,
    .pack = pack,
    .unpack_f64 = unpack_f64,
    .pack_f64 = pack_f64,
};
