/* Phi-3 and 4 (Abdin et al. 2024): Llama's block with q, k, v in one product and gate and up in another;
 * longrope fixed by the context asked for, and in Phi-4-mini only part of a head turns. */
#include "model/kit/blocks.h"
#include "ops/binary.h"
#include "ops/gated_mlp.h"

static value attention(model_build *b, model_inputs in, value x, int64_t i, const char *at) {
    const model_config *c = b->config;
    int64_t columns = c->heads * c->head_size, kv = c->kv_heads * c->head_size;
    value qkv = block_linear(b, x, columns + 2 * kv, false, at, "self_attn.qkv_proj");
    value q = block_rotate(b, block_columns(b, qkv, 0, columns), in.positions, i);
    value k = block_rotate(b, block_columns(b, qkv, columns, kv), in.positions, i);
    value y = block_attend(b, in, i, q, k, block_columns(b, qkv, columns + kv, kv), NO_VALUE);
    return block_linear(b, y, c->hidden, false, at, "self_attn.o_proj");
}

static value mlp(model_build *b, value x, const char *at) {
    const model_config *c = b->config;
    int64_t width = c->intermediate;
    value both = block_linear(b, x, 2 * width, false, at, "mlp.gate_up_proj");
    value y = build_gated_mlp(b->g, block_columns(b, both, 0, width),
                              block_columns(b, both, width, width), block_act(c));
    return block_linear(b, y, c->hidden, false, at, "mlp.down_proj");
}

static value layer(model_build *b, model_inputs in, value x, int64_t i) {
    const char *at = block_layer(b, "model.layers.", i);
    value h = attention(b, in, block_rms_norm(b, x, at, "input_layernorm"), i, at);
    x = build_add(b->g, x, block_dropout(b, h));
    h = mlp(b, block_rms_norm(b, x, at, "post_attention_layernorm"), at);
    return build_add(b->g, x, block_dropout(b, h));
}

static void defaults(model_config *c) {
    c->norm_epsilon = 1e-5;
}

static const model_key keys[] = {
    MODEL_INTEGER("original_max_position_embeddings", rope.original_positions, 1, 1 << 30),
    MODEL_MUST("attention_bias", 0),
    MODEL_IGNORED("resid_pdrop"),
    MODEL_IGNORED("embd_pdrop"),
    MODEL_IGNORED("auto_map"),
    {0},
};

const model_def model_phi3 = {
    .name = "phi3",
    .help = "Phi-3, Phi-3.5 and Phi-4",
    .variants = (const model_variant[]){{"phi3", {"Phi3ForCausalLM"}, "phi3", defaults}, {0}},
    .keys = keys,
    .prefix = "model.",
    .turns = true,
    .layer = layer,
    .logits = block_logits,
};
