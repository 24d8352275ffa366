/* Llama's block with a mixture of experts in the place of the MLP: Mixtral (Jiang et al. 2024), Qwen 2 and 3
 * MoE. Each token goes through the experts of its largest router probabilities p,
 *   y = sum over chosen e of p[e] down_e(act(gate_e h) * up_e h)      (p made to sum to 1 where configured)
 * and in Qwen 2 MoE also, weighed by a sigmoid, through one that all share. */
#include "model/kit/blocks.h"
#include "ops/binary.h"
#include "ops/unary.h"
#include <string.h>

static value shared_expert(model_build *b, value h, const char *at) {
    value y = block_gated_mlp(b, h, b->config->shared_intermediate,
                              block_inside(b, at, "mlp.shared_expert."));
    value open = block_linear(b, h, 1, false, at, "mlp.shared_expert_gate");
    return build_mul(b->g, y, build_sigmoid(b->g, open));
}

static value layer(model_build *b, model_inputs in, value x, int64_t i) {
    const char *at = block_layer(b, "model.layers.", i);
    bool mixtral = !strcmp(b->config->model_type, "mixtral");
    value h = block_rms_norm(b, x, at, "input_layernorm");
    x = build_add(b->g, x, block_dropout(b, block_attention(b, in, h, i, at)));
    h = block_rms_norm(b, x, at, "post_attention_layernorm");
    block_expert_names names =
        mixtral ? (block_expert_names){"block_sparse_moe.gate", "block_sparse_moe.experts.*.", "w1",
                                       "w3", "w2"}
                : (block_expert_names){"mlp.gate", "mlp.experts.*.", "gate_proj", "up_proj",
                                       "down_proj"};
    value y = block_experts(b, h, at, &names);
    if (b->config->shared_intermediate) y = build_add(b->g, y, shared_expert(b, h, at));
    return build_add(b->g, x, block_dropout(b, y));
}

static void mixtral(model_config *c) {
    c->norm_epsilon = 1e-5;
    c->normalize_experts = true;
    c->experts_per_token = 2;
    c->rope.theta = 1e6;
}

static void qwen2_moe(model_config *c) {
    c->attention_bias = true;
    c->window_off = true;
    c->experts_per_token = 4;
}

static void qwen3_moe(model_config *c) {
    c->qk_norm = MODEL_QK_HEADS;
    c->head_size = 128;
    c->window_off = true;
    c->experts_per_token = 8;
}

static status complete(context *cx, model_config *c) {
    if (!c->experts) FAIL(cx, STATUS_BAD_DATA, "the key 'num_experts' is missing");
    c->output_bias = c->attention_bias && !strcmp(c->model_type, "qwen3_moe");
    return STATUS_OK;
}

static const model_key keys[] = {
    MODEL_INTEGER("num_local_experts", experts, 1, 1 << 16),
    MODEL_INTEGER("num_experts", experts, 1, 1 << 16),
    MODEL_INTEGER("num_experts_per_tok", experts_per_token, 1, 1 << 16),
    MODEL_INTEGER("moe_intermediate_size", expert_intermediate, 1, 1 << 24),
    MODEL_INTEGER("shared_expert_intermediate_size", shared_intermediate, 1, 1 << 24),
    MODEL_BOOL("norm_topk_prob", normalize_experts),
    MODEL_BOOL("qkv_bias", attention_bias),
    MODEL_BOOL("attention_bias", attention_bias),
    MODEL_INTEGER("max_window_layers", window_from, 0, MODEL_MOST_LAYERS),
    MODEL_MUST("decoder_sparse_step", 1),
    {0},
};

const model_def model_moe = {
    .name = "moe",
    .help = "Mixtral, Qwen 2 MoE and Qwen 3 MoE",
    .variants =
        (const model_variant[]){{"mixtral", {"MixtralForCausalLM"}, "llama", mixtral},
                                {"qwen2_moe", {"Qwen2MoeForCausalLM"}, "qwen2moe", qwen2_moe},
                                {"qwen3_moe", {"Qwen3MoeForCausalLM"}, "qwen3moe", qwen3_moe},
                                {0}},
    .keys = keys,
    .prefix = "model.",
    .turns = true,
    .complete = complete,
    .layer = layer,
    .logits = block_logits,
};
