/* The upper half of an IEEE single: 8 bits of exponent, 8 of precision. */
#include "num/num.h"
#include "num/kit/half.h"

static void unpack(const void *row, int64_t first, int64_t count, float *out) {
    const uint16_t *code = (const uint16_t *)row + first;
    for (int64_t i = 0; i < count; i++) out[i] = half_from_bf16(code[i]);
}

static void pack(const float *in, int64_t count, void *row) {
    for (int64_t i = 0; i < count; i++) ((uint16_t *)row)[i] = half_to_bf16(in[i]);
}

const num_format format_bf16 = {
    .name = "bf16",
    .kind = NUM_FLOAT,
    .block_elems = 1,
    .block_bytes = 2,
    .error = 0x1p-8,
    .largest = 0x1.fep127,
    .unpack = unpack,
    .pack = pack,
};
