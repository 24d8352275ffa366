/* GPT-NeoX and Pythia (Black et al. 2022; Biderman et al. 2023): part of each head turns, q, k and v of a head
 * lie side by side in one product, and attention and MLP may both read the block's input. */
#include "model/kit/blocks.h"
#include "ops/binary.h"
#include "ops/shape.h"

/* Part 0, 1 or 2 (q, k, v) of every head. */
static value part_of_heads(model_build *b, value qkv, int64_t part) {
    value heads = build_reshape(b->g, qkv, 1, 1, 3, (int64_t[]){0, 3, b->config->head_size});
    return build_merge(b->g, build_slice(b->g, heads, 2, part, 1), 1, 3);
}

static value attention(model_build *b, model_inputs in, value x, int64_t i, const char *at) {
    const model_config *c = b->config;
    value qkv =
        block_linear(b, x, 3 * c->hidden, c->attention_bias, at, "attention.query_key_value");
    value q = block_rotate(b, part_of_heads(b, qkv, 0), in.positions, i);
    value k = block_rotate(b, part_of_heads(b, qkv, 1), in.positions, i);
    value y = block_attend(b, in, i, q, k, part_of_heads(b, qkv, 2), NO_VALUE);
    return block_linear(b, y, c->hidden, c->attention_bias, at, "attention.dense");
}

static value layer(model_build *b, model_inputs in, value x, int64_t i) {
    const model_config *c = b->config;
    const char *at = block_layer(b, "gpt_neox.layers.", i);
    value h = attention(b, in, block_layer_norm(b, x, true, at, "input_layernorm"), i, at);
    value sum = build_add(b->g, x, block_dropout(b, h));
    h = block_layer_norm(b, c->parallel ? x : sum, true, at, "post_attention_layernorm");
    h = block_activate(b, block_linear(b, h, c->intermediate, true, at, "mlp.dense_h_to_4h"));
    h = block_linear(b, h, c->hidden, true, at, "mlp.dense_4h_to_h");
    return build_add(b->g, sum, block_dropout(b, h));
}

static value hidden(model_build *b, model_inputs in) {
    value x = block_embedding(b, in.ids, b->config->vocabulary, "gpt_neox.", "embed_in");
    x = block_layers(b, in, block_dropout(b, x));
    return block_layer_norm(b, x, true, "gpt_neox.", "final_layer_norm");
}

static value logits(model_build *b, value h) {
    return block_head(b, h, "gpt_neox.embed_in", "embed_out");
}

static void defaults(model_config *c) {
    c->norm_epsilon = 1e-5;
    c->activation = MODEL_GELU;
    c->rope.rotated = 0.25;
    c->attention_bias = c->parallel = true;
}

static const model_key keys[] = {
    MODEL_NUMBER("layer_norm_eps", norm_epsilon, 0, 1),
    MODEL_NUMBER("rotary_pct", rope.rotated, 0, 1),
    MODEL_NUMBER("rotary_emb_base", rope.theta, 1, 1e15),
    MODEL_BOOL("use_parallel_residual", parallel),
    MODEL_BOOL("attention_bias", attention_bias),
    MODEL_MUST("is_decoder", 0),
    MODEL_IGNORED("classifier_dropout"),
    {0},
};

const model_def model_gpt_neox = {
    .name = "gpt_neox",
    .help = "GPT-NeoX and Pythia",
    .variants =
        (const model_variant[]){{"gpt_neox", {"GPTNeoXForCausalLM"}, "gptneox", defaults}, {0}},
    .keys = keys,
    .prefix = "gpt_neox.",
    .layer_norms = true,
    .turns = true,
    .hidden = hidden,
    .layer = layer,
    .logits = logits,
};
