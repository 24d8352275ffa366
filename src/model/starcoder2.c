/* StarCoder 2 (Lozhkov et al. 2024): Llama's attention with a window, layer norms, biases everywhere, and a
 * plain MLP. */
#include "model/kit/blocks.h"
#include "ops/binary.h"

static value layer(model_build *b, model_inputs in, value x, int64_t i) {
    const model_config *c = b->config;
    const char *at = block_layer(b, "model.layers.", i);
    value h = block_layer_norm(b, x, true, at, "input_layernorm");
    x = build_add(b->g, x, block_dropout(b, block_attention(b, in, h, i, at)));
    h = block_layer_norm(b, x, true, at, "post_attention_layernorm");
    h = block_activate(b, block_linear(b, h, c->intermediate, c->mlp_bias, at, "mlp.c_fc"));
    h = block_linear(b, h, c->hidden, c->mlp_bias, at, "mlp.c_proj");
    return build_add(b->g, x, block_dropout(b, h));
}

static void defaults(model_config *c) {
    c->tied = c->attention_bias = true;
    c->norm_epsilon = 1e-5;
    c->activation = MODEL_GELU_TANH;
}

static status complete(context *cx, model_config *c) {
    (void)cx;
    c->output_bias = c->mlp_bias = c->attention_bias;
    return STATUS_OK;
}

static const model_key keys[] = {
    MODEL_BOOL("use_bias", attention_bias),
    MODEL_NUMBER("norm_epsilon", norm_epsilon, 0, 1),
    MODEL_IGNORED("residual_dropout"),
    MODEL_IGNORED("embedding_dropout"),
    MODEL_IGNORED("mlp_type"),
    MODEL_IGNORED("norm_type"),
    {0},
};

const model_def model_starcoder2 = {
    .name = "starcoder2",
    .help = "StarCoder 2",
    .variants =
        (const model_variant[]){{"starcoder2", {"Starcoder2ForCausalLM"}, "starcoder2", defaults},
                                {0}},
    .keys = keys,
    .prefix = "model.",
    .layer_norms = true,
    .turns = true,
    .complete = complete,
    .layer = layer,
    .logits = block_logits,
};
