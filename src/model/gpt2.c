/* GPT-2 (Radford et al. 2019): learned positions, layer norms, biases, linear weights stored [in,
 * out], queries, keys and values side by side in one product.
 *
 *   x += proj(attention(layer_norm(x)));  x += proj(gelu(fc(layer_norm(x)))) */
#include "model/kit/blocks.h"
#include "ops/binary.h"

static value layer(model_build *b, model_inputs in, value x, int64_t i) {
    const model_config *c = b->config;
    const char *at = block_layer(b, "transformer.h.", i);
    value h = block_layer_norm(b, x, true, at, "ln_1");
    value qkv = block_linear(b, h, 3 * c->hidden, true, at, "attn.c_attn");
    h = block_attend(b, in, i, block_columns(b, qkv, 0, c->hidden),
                     block_columns(b, qkv, c->hidden, c->hidden),
                     block_columns(b, qkv, 2 * c->hidden, c->hidden), NO_VALUE);
    h = block_linear(b, h, c->hidden, true, at, "attn.c_proj");
    x = build_add(b->g, x, block_dropout(b, h));
    h = block_layer_norm(b, x, true, at, "ln_2");
    h = block_activate(b, block_linear(b, h, c->intermediate, true, at, "mlp.c_fc"));
    h = block_linear(b, h, c->hidden, true, at, "mlp.c_proj");
    return build_add(b->g, x, block_dropout(b, h));
}

static value hidden(model_build *b, model_inputs in) {
    const model_config *c = b->config;
    value x = block_embedding(b, in.ids, c->vocabulary, "transformer.", "wte");
    value positions = block_embedding(b, in.positions, c->positions, "transformer.", "wpe");
    x = block_dropout(b, build_add(b->g, x, positions));
    return block_layer_norm(b, block_layers(b, in, x), true, "transformer.", "ln_f");
}

static value logits(model_build *b, value h) {
    return block_head(b, h, "transformer.wte", "lm_head");
}

static void defaults(model_config *c) {
    c->tied = true;
    c->norm_epsilon = 1e-5;
    c->activation = MODEL_GELU_TANH;
    c->attention_bias = c->output_bias = c->mlp_bias = true;
}

static status complete(context *cx, model_config *c) {
    (void)cx;
    if (!c->intermediate) c->intermediate = 4 * c->hidden;
    return STATUS_OK;
}

static const model_key keys[] = {
    MODEL_INTEGER("n_layer", layers, 1, MODEL_MOST_LAYERS),
    MODEL_INTEGER("n_embd", hidden, 1, 1 << 20),
    MODEL_INTEGER("n_head", heads, 1, 1 << 16),
    MODEL_INTEGER("n_inner", intermediate, 1, 1 << 24),
    MODEL_INTEGER("n_positions", positions, 1, 1 << 30),
    MODEL_INTEGER("n_ctx", positions, 1, 1 << 30),
    MODEL_ACTIVATION("activation_function"),
    MODEL_NUMBER("layer_norm_epsilon", norm_epsilon, 0, 1),
    MODEL_MUST("scale_attn_weights", 1),
    MODEL_MUST("scale_attn_by_inverse_layer_idx", 0),
    MODEL_MUST("add_cross_attention", 0),
    MODEL_IGNORED("reorder_and_upcast_attn"),
    MODEL_IGNORED("resid_pdrop"),
    MODEL_IGNORED("embd_pdrop"),
    MODEL_IGNORED("attn_pdrop"),
    MODEL_IGNORED("summary_activation"),
    MODEL_IGNORED("summary_first_dropout"),
    MODEL_IGNORED("summary_proj_to_labels"),
    MODEL_IGNORED("summary_type"),
    MODEL_IGNORED("summary_use_proj"),
    MODEL_IGNORED("task_specific_params"),
    {0},
};

const model_def model_gpt2 = {
    .name = "gpt2",
    .help = "GPT-2",
    .variants = (const model_variant[]){{"gpt2", {"GPT2LMHeadModel"}, "gpt2", defaults}, {0}},
    .keys = keys,
    .prefix = "transformer.",
    .in_by_out = true,
    .layer_norms = true,
    .complete = complete,
    .layer = layer,
    .hidden = hidden,
    .logits = logits,
};
