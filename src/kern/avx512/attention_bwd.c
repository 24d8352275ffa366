/* The gradient of attention in AVX-512: by pairs of bf16 where q, k and dout are bf16, else by float FMA. */
#include "kern/kit/attention_backward.h"
#include "kern/kit/attention_product.h"

static const attn_core core_pairs = {
    .pairs = true, .sub = 64, .grain = 12, .product = attn_product_pairs};
static const attn_core core_floats = {.sub = 32, .grain = 12, .product = attn_product_floats};

static bool all_bf16(const kernel_query *q) {
    return q->in[ATTENTION_DOUT] && !strcmp(q->in[ATTENTION_Q]->format->name, "bf16") &&
           !strcmp(q->in[ATTENTION_K]->format->name, "bf16") &&
           !strcmp(q->in[ATTENTION_DOUT]->format->name, "bf16");
}

static bool supports_pairs(const kernel_query *q, reason *why) {
    if (!all_bf16(q)) return refuse(why, "not bf16 throughout");
    return attn_supports(q, true, why) && attn_back_supports(q, why);
}

static bool supports_floats(const kernel_query *q, reason *why) {
    if (all_bf16(q)) return refuse(why, "bf16 goes by pairs");
    return attn_supports(q, true, why) && attn_back_supports(q, why);
}

static int64_t scratch_pairs(const call *c) {
    return attn_back_bytes(c, true);
}

static int64_t scratch_floats(const call *c) {
    return attn_back_bytes(c, false);
}

static void run_pairs(const call *c, int64_t from, int64_t to, void *scratch) {
    attn_backward(&core_pairs, c, from, to, scratch);
}

static void run_floats(const call *c, int64_t from, int64_t to, void *scratch) {
    attn_backward(&core_floats, c, from, to, scratch);
}

static const kernel_def pairs = {.name = "avx512.attention_bwd.pairs",
                                 .op = &op_attention_bwd,
                                 .isa = "avx512",
                                 .order = 0x41020001,
                                 .supports = supports_pairs,
                                 .scratch_bytes = scratch_pairs,
                                 .shared_bytes = attn_back_shared_bytes,
                                 .prepare_units = attn_back_prepare_units,
                                 .prepare = attn_back_prepare,
                                 .units = attn_back_units,
                                 .run = run_pairs,
                                 .merge_units = attn_back_merge_units,
                                 .merge = attn_back_merge,
                                 .tolerance = 0x1p-6};
static const kernel_def floats = {.name = "avx512.attention_bwd.floats",
                                  .op = &op_attention_bwd,
                                  .isa = "avx512",
                                  .order = 0x41020002,
                                  .supports = supports_floats,
                                  .scratch_bytes = scratch_floats,
                                  .shared_bytes = attn_back_shared_bytes,
                                  .prepare_units = attn_back_prepare_units,
                                  .prepare = attn_back_prepare,
                                  .units = attn_back_units,
                                  .run = run_floats,
                                  .merge_units = attn_back_merge_units,
                                  .merge = attn_back_merge,
                                  .tolerance = 0x1p-16};

const kernel_def *const kernels_avx512_attention_bwd[] = {&pairs, &floats, NULL};
