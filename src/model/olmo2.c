/* OLMo 2 (OLMo team 2024): norms follow attention and MLP instead of preceding them, and queries and keys are
 * normalised over all heads at once. */
#include "model/kit/blocks.h"
#include "ops/binary.h"

static value layer(model_build *b, model_inputs in, value x, int64_t i) {
    const char *at = block_layer(b, "model.layers.", i);
    value h = block_attention(b, in, x, i, at);
    x = build_add(b->g, x, block_dropout(b, block_rms_norm(b, h, at, "post_attention_layernorm")));
    h = block_gated_mlp(b, x, b->config->intermediate, block_inside(b, at, "mlp."));
    h = block_rms_norm(b, h, at, "post_feedforward_layernorm");
    return build_add(b->g, x, block_dropout(b, h));
}

static void defaults(model_config *c) {
    c->norm_epsilon = 1e-5;
    c->qk_norm = MODEL_QK_ROWS;
}

static status complete(context *cx, model_config *c) {
    (void)cx;
    c->output_bias = c->attention_bias;
    return STATUS_OK;
}

static const model_key keys[] = {
    MODEL_BOOL("attention_bias", attention_bias),
    {0},
};

const model_def model_olmo2 = {
    .name = "olmo2",
    .help = "OLMo 2",
    .variants = (const model_variant[]){{"olmo2", {"Olmo2ForCausalLM"}, "olmo2", defaults}, {0}},
    .keys = keys,
    .prefix = "model.",
    .turns = true,
    .complete = complete,
    .layer = layer,
    .logits = block_logits,
};
