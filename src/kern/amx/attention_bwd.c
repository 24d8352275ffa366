/* The gradient of attention on AMX, where q, k and dout are bf16. */
#include "kern/kit/attention_amx.h"
#include "kern/kit/attention_backward.h"

static const attn_core core = {
    .pairs = true, .sub = 32, .grain = ATTN_AMX_ROWS, .product = attn_amx_product};

static bool supports(const kernel_query *q, reason *why) {
    static const int32_t operands[] = {ATTENTION_Q, ATTENTION_K, ATTENTION_DOUT};
    for (int i = 0; i < 3; i++)
        if (!q->in[operands[i]] || strcmp(q->in[operands[i]]->format->name, "bf16"))
            return refuse(why, "operand %d is not bf16", operands[i]);
    return attn_supports(q, true, why) && attn_back_supports(q, why);
}

static int64_t scratch_bytes(const call *c) {
    return attn_back_bytes(c, true);
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    attn_amx_begin();
    attn_backward(&core, c, from, to, scratch);
    attn_amx_end();
}

static const kernel_def pairs = {.name = "amx.attention_bwd.pairs",
                                 .op = &op_attention_bwd,
                                 .isa = "amx",
                                 .order = 0x41020003,
                                 .supports = supports,
                                 .scratch_bytes = scratch_bytes,
                                 .shared_bytes = attn_back_shared_bytes,
                                 .prepare_units = attn_back_prepare_units,
                                 .prepare = attn_back_prepare,
                                 .units = attn_back_units,
                                 .run = run,
                                 .merge_units = attn_back_merge_units,
                                 .merge = attn_back_merge,
                                 .tolerance = 0x1p-6};

const kernel_def *const kernels_amx_attention_bwd[] = {&pairs, NULL};
