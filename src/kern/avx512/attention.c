/* Attention in AVX-512, in two forms: bf16 queries and keys by pairs (vdpbf16ps), anything else by float
 * FMA. Which one is a matter of the formats alone. */
#include "kern/kit/attention_beside.h"
#include "kern/kit/attention_product.h"

static const attn_core core_pairs = {.pairs = true,
                                     .few = true,
                                     .sub = ATTN_SUB,
                                     .grain = 12,
                                     .steps = 8,
                                     .product = attn_product_pairs,
                                     .whole = attn_beside_tile};
static const attn_core core_floats = {
    .few = true, .sub = 30, .grain = 12, .steps = 16, .product = attn_product_floats};

static bool both_bf16(const kernel_query *q) {
    return !strcmp(q->in[ATTENTION_Q]->format->name, "bf16") &&
           !strcmp(q->in[ATTENTION_K]->format->name, "bf16");
}

static bool supports_pairs(const kernel_query *q, reason *why) {
    if (!both_bf16(q)) return refuse(why, "not bf16 queries over bf16 keys");
    return attn_supports(q, false, why);
}

static bool supports_floats(const kernel_query *q, reason *why) {
    if (both_bf16(q)) return refuse(why, "bf16 queries over bf16 keys go by pairs");
    return attn_supports(q, false, why);
}

static int64_t scratch_pairs(const call *c) {
    return attn_state_lay(NULL, true, attn_shape_of(c).hp, NULL);
}

static int64_t scratch_floats(const call *c) {
    return attn_state_lay(NULL, false, attn_shape_of(c).hp, NULL);
}

static void run_pairs(const call *c, int64_t from, int64_t to, void *scratch) {
    attn_forward(&core_pairs, c, from, to, scratch);
}

static void run_floats(const call *c, int64_t from, int64_t to, void *scratch) {
    attn_forward(&core_floats, c, from, to, scratch);
}

static void merge(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    attn_forward_merge(c, from, to);
}

static const kernel_def pairs = {.name = "avx512.attention.pairs",
                                 .op = &op_attention,
                                 .isa = "avx512",
                                 .order = 0x41010001,
                                 .supports = supports_pairs,
                                 .scratch_bytes = scratch_pairs,
                                 .shared_bytes = attn_shared_bytes,
                                 .units = attn_units,
                                 .run = run_pairs,
                                 .merge_units = attn_merge_units,
                                 .merge = merge,
                                 .tolerance = 0x1p-7};
static const kernel_def floats = {.name = "avx512.attention.floats",
                                  .op = &op_attention,
                                  .isa = "avx512",
                                  .order = 0x41010002,
                                  .supports = supports_floats,
                                  .scratch_bytes = scratch_floats,
                                  .shared_bytes = attn_shared_bytes,
                                  .units = attn_units,
                                  .run = run_floats,
                                  .merge_units = attn_merge_units,
                                  .merge = merge,
                                  .tolerance = 0x1p-18};

const kernel_def *const kernels_avx512_attention[] = {&pairs, &floats, NULL};
