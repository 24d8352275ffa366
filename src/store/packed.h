/* Linear layers that quantisers store as several tensors, seen as one: NAME.weight [n, k].
 *
 *   GPTQ (AutoGPTQ, GPTQModel): bits 2, 3, 4, 8
 *     qweight i32 [k bits/32, n]   codes of a column as one stream of bits, lowest first
 *     qzeros  i32 [groups, n bits/32]  codes of zero along n in the same way, less one ("gptq"; not in "gptq_v2")
 *     scales  f16 [groups, n]
 *     g_idx   i32 [k]              the group of each k; without it k / group size (desc_act sorts by activation)
 *   AWQ, version gemm: 4 bits
 *     qweight i32 [k, n/8], qzeros i32 [groups, n/8]  nibble i of a word is column 0 2 4 6 1 3 5 7 [i]
 *     scales  f16 [groups, n]
 *   compressed-tensors, pack-quantized: 2, 4, 8 bits
 *     weight_packed i32 [n, k bits/32]      codes along k
 *     weight_scale  [n, groups], weight_shape i64 [2]
 *     weight_zero_point i32 [n bits/32, groups] along n, where the recipe is not symmetric; weight_g_idx as above
 *
 *   compressed-tensors, sparse-24-bitmask: floats of which two of every four are kept
 *     compressed bf16 [n, k/2]  those that are kept, in order
 *     bitmask u8 [n, k/8], shape i64 [2, 1]  bit i of a row: value i is kept; joined as bf16_2of4
 *
 *   mxfp4 (gpt-oss's experts): NAME [e, n, k] instead of NAME.weight
 *     NAME_blocks u8 [e, n, k/32, 16]  byte i of a block has code 2i below and 2i + 1 above
 *     NAME_scales u8 [e, n, k/32]      exponents; the joined tensor is in the format mxfp4
 *
 * value = scale * (code - zero). A joined tensor has an integer format of num/ with these very codes, zeros and
 * scales: intB_gN where all zeros are 2^(B-1), else uintB_gN. Groups longer than 128 are told as several of the
 * same scale. Where g_idx does not run in order, the values cannot lie in groups and are f32. */
#ifndef STORE_PACKED_H
#define STORE_PACKED_H

#include "base/json.h"
#include "store/modelfile.h"

typedef enum packed_method {
    PACKED_NONE,
    PACKED_GPTQ,
    PACKED_AWQ,
    PACKED_COMPRESSED,
    PACKED_MXFP4,
    PACKED_SPARSE24,
} packed_method;

/* What config.json says under `quantization_config`. */
typedef struct packed_recipe {
    packed_method method;
    int64_t bits, group; /* group 0: a row */
    bool symmetric;
    bool zeros_less_one; /* GPTQ's first form */
} packed_recipe;

/* Reads the object; refuses by name what is not in the list above. */
status packed_recipe_read(json *j, packed_recipe *out) MUST_USE;
/* Puts one tensor into the list for the parts of each layer. */
status packed_join(modelfile *m, const packed_recipe *recipe) MUST_USE;

#endif
