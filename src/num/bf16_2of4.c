/* bf16 of which two of every four values are kept, the others being 0 (2:4 sparsity, as tensor cores have it):
 *
 *   block = [u32 mask][16 x bf16]: 32 values, bit i of the mask says that value i is kept; kept values in order
 *
 * Each four bits of the mask have exactly two set, so that the k-th pair of kept values belongs to values 4 k to
 * 4 k + 3, and a row takes 0.5625 of its bf16 bytes. The masks are those of compressed-tensors' "sparse-24-bitmask".
 *
 * Packing keeps the two largest magnitudes of each four, the first of equals, NaN before numbers: rows that were pruned
 * to 2:4 come back as they are, and of others up to two values of four are lost, hence the bound. */
#include "num/kit/half.h"
#include "num/num.h"

enum { ELEMS = 32, BYTES = 36, FOUR = 4 };

ALWAYS_INLINE void unpack_block(const uint8_t *restrict b, float *restrict out) {
    uint32_t mask;
    memcpy(&mask, b, sizeof mask);
    for (int g = 0; g < ELEMS / FOUR; g++) {
        uint16_t code[2];
        memcpy(code, b + sizeof mask + sizeof code * (size_t)g, sizeof code);
        for (int i = 0; i < FOUR; i++) {
            uint32_t four = mask >> FOUR * g & 15, below = four & ((1u << i) - 1);
            out[FOUR * g + i] = four >> i & 1 ? half_float((uint32_t)code[below != 0] << 16) : 0;
        }
    }
}

VECTOR_CLONES
static void unpack(const void *row, int64_t first, int64_t count, float *out) {
    const uint8_t *b = (const uint8_t *)row + first / ELEMS * BYTES;
    int64_t i = 0;
    float rest[ELEMS];
    for (; i + ELEMS <= count; i += ELEMS, b += BYTES) unpack_block(b, out + i);
    if (i == count) return;
    unpack_block(b, rest);
    memcpy(out + i, rest, (size_t)(count - i) * sizeof *out);
}

/* The two of four that stay, as a mask. */
static uint32_t keep(const float x[FOUR]) {
    uint32_t mask = 0;
    for (int pick = 0; pick < 2; pick++) {
        int best = -1;
        for (int i = 0; i < FOUR; i++) {
            if (mask >> i & 1) continue;
            /* Ordered by their bits, magnitudes are in order and NaN comes last. */
            if (best < 0 || (half_bits(x[i]) & 0x7fffffff) > (half_bits(x[best]) & 0x7fffffff))
                best = i;
        }
        mask |= 1u << best;
    }
    return mask;
}

static void pack(const float *in, int64_t count, void *row) {
    uint8_t *b = row;
    for (int64_t i = 0; i < count; i += ELEMS, b += BYTES) {
        float x[ELEMS] = {0};
        uint16_t kept[ELEMS / 2];
        uint32_t mask = 0;
        int64_t n = 0;
        memcpy(x, in + i, (size_t)MIN_OF(ELEMS, count - i) * sizeof *in);
        for (int g = 0; g < ELEMS; g += FOUR) {
            uint32_t four = keep(x + g);
            mask |= four << g;
            for (int k = 0; k < FOUR; k++)
                if (four >> k & 1) kept[n++] = half_to_bf16(x[g + k]);
        }
        memcpy(b, &mask, 4);
        memcpy(b + 4, kept, sizeof kept);
    }
}

const num_format format_bf16_2of4 = {
    .name = "bf16_2of4",
    .kind = NUM_BLOCK,
    .block_elems = ELEMS,
    .block_bytes = BYTES,
    .kept = ELEMS / 2,
    .error = 1,
    .unpack = unpack,
    .pack = pack,
};
