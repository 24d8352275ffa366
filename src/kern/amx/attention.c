/* Attention on AMX: bf16 queries over bf16 keys. Scores and weighted values are tile products; the softmax
 * between them is AVX-512, as in that folder. */
#include "kern/kit/attention_amx.h"
#include "kern/kit/attention_forward.h"

static const attn_core core = {.pairs = true,
                               .sub = 32,
                               .grain = ATTN_AMX_ROWS,
                               .steps = ATTN_AMX_STEPS,
                               .product = attn_amx_product};

static bool supports(const kernel_query *q, reason *why) {
    if (strcmp(q->in[ATTENTION_Q]->format->name, "bf16") ||
        strcmp(q->in[ATTENTION_K]->format->name, "bf16"))
        return refuse(why, "not bf16 queries over bf16 keys");
    return attn_supports(q, false, why);
}

static int64_t scratch_bytes(const call *c) {
    return attn_state_lay(NULL, true, attn_shape_of(c).hp, NULL);
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    attn_amx_begin();
    attn_forward(&core, c, from, to, scratch);
    attn_amx_end();
}

static void merge(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    attn_forward_merge(c, from, to);
}

static const kernel_def pairs = {.name = "amx.attention.pairs",
                                 .op = &op_attention,
                                 .isa = "amx",
                                 .order = 0x41010003,
                                 .supports = supports,
                                 .scratch_bytes = scratch_bytes,
                                 .shared_bytes = attn_shared_bytes,
                                 .units = attn_units,
                                 .run = run,
                                 .merge_units = attn_merge_units,
                                 .merge = merge,
                                 .tolerance = 0x1p-7};

const kernel_def *const kernels_amx_attention[] = {&pairs, NULL};
