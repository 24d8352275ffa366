/* Llama (Touvron et al. 2023) and those that differ from it by flags: Mistral (windows), Qwen 2
 * (biases of q, k, v), Qwen 3 (norms of each head of q and k), SmolLM 2 and 3 (layers without rope).
 *
 *   x += attention(rms_norm(x));  x += mlp(rms_norm(x));  mlp(h) = down(silu(gate h) * up h) */
#include "model/kit/blocks.h"
#include "ops/binary.h"
#include <string.h>

static value layer(model_build *b, model_inputs in, value x, int64_t i) {
    const char *at = block_layer(b, "model.layers.", i);
    value h = block_rms_norm(b, x, at, "input_layernorm");
    h = block_attention(b, in, h, i, at);
    x = build_add(b->g, x, block_dropout(b, h));
    h = block_rms_norm(b, x, at, "post_attention_layernorm");
    h = block_gated_mlp(b, h, b->config->intermediate, block_inside(b, at, "mlp."));
    return build_add(b->g, x, block_dropout(b, h));
}

static void qwen2(model_config *c) {
    c->attention_bias = true;
    c->window_off = true;
}

static void qwen3(model_config *c) {
    c->qk_norm = MODEL_QK_HEADS;
    c->head_size = 128;
    c->window_off = true;
}

/* Every fourth layer does without rope. */
static void smollm3(model_config *c) {
    c->window_off = true;
    c->rope_every = 4;
    c->rope.theta = 2e6;
}

/* Llama's attention_bias is of all four products, Qwen 2's never of the last. */
static status complete(context *cx, model_config *c) {
    (void)cx;
    c->output_bias = c->attention_bias && strcmp(c->model_type, "qwen2") != 0;
    return STATUS_OK;
}

static const model_key keys[] = {
    MODEL_BOOL("attention_bias", attention_bias),
    MODEL_BOOL("mlp_bias", mlp_bias),
    MODEL_INTEGER("max_window_layers", window_from, 0, MODEL_MOST_LAYERS),
    MODEL_INTEGER("no_rope_layer_interval", rope_every, 1, MODEL_MOST_LAYERS),
    {0},
};

const model_def model_llama = {
    .name = "llama",
    .help = "Llama 1 to 3, Mistral, Qwen 2, 2.5 and 3, SmolLM 2 and 3",
    .variants = (const model_variant[]){{"llama", {"LlamaForCausalLM"}, "llama"},
                                        {"mistral", {"MistralForCausalLM"}, "llama"},
                                        {"qwen2", {"Qwen2ForCausalLM"}, "qwen2", qwen2},
                                        {"qwen3", {"Qwen3ForCausalLM"}, "qwen3", qwen3},
                                        {"smollm3", {"SmolLM3ForCausalLM"}, "smollm3", smollm3},
                                        {0}},
    .keys = keys,
    .prefix = "model.",
    .turns = true,
    .complete = complete,
    .layer = layer,
    .logits = block_logits,
};
