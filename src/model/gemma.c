/* Gemma 1, 2 and 3 (text). Embeddings are scaled by sqrt(hidden), norms are stored less 1. Gemma 2 and 3 also
 * normalise what attention and MLP give, and slide in some layers; 2 caps scores and logits, 3 normalises
 * each head of q and k, and its sliding layers turn by a theta of their own. */
#include "model/kit/blocks.h"
#include "ops/binary.h"
#include "ops/scale.h"
#include <math.h>
#include <string.h>

static bool is_first(const model_config *c) {
    return !strcmp(c->model_type, "gemma");
}

static value layer(model_build *b, model_inputs in, value x, int64_t i) {
    const char *at = block_layer(b, "model.layers.", i);
    bool first = is_first(b->config);
    value h = block_rms_norm(b, x, at, "input_layernorm");
    h = block_attention(b, in, h, i, at);
    if (!first) h = block_rms_norm(b, h, at, "post_attention_layernorm");
    x = build_add(b->g, x, block_dropout(b, h));
    h = block_rms_norm(b, x, at, first ? "post_attention_layernorm" : "pre_feedforward_layernorm");
    h = block_gated_mlp(b, h, b->config->intermediate, block_inside(b, at, "mlp."));
    if (!first) h = block_rms_norm(b, h, at, "post_feedforward_layernorm");
    return build_add(b->g, x, block_dropout(b, h));
}

static value hidden(model_build *b, model_inputs in) {
    value x = block_embedding(b, in.ids, b->config->vocabulary, "model.", "embed_tokens");
    x = block_dropout(b, build_scale(b->g, x, sqrt((double)b->config->hidden), 0));
    return block_rms_norm(b, block_layers(b, in, x), "model.", "norm");
}

static void gemma(model_config *c) {
    c->tied = c->norm_plus_one = true;
    c->head_size = 256;
    c->activation = MODEL_GELU_TANH;
}

static void gemma2(model_config *c) {
    gemma(c);
    c->window_every = 2;
}

static void gemma3(model_config *c) {
    gemma(c);
    c->window_every = 6;
    c->qk_norm = MODEL_QK_HEADS;
    c->rope.theta = 1e6;
    c->local_theta = 1e4;
}

static status complete(context *cx, model_config *c) {
    c->output_bias = c->attention_bias;
    if (!is_first(c) && c->query_scale == 0)
        FAIL(cx, STATUS_BAD_DATA, "the key 'query_pre_attn_scalar' is missing");
    return STATUS_OK;
}

static const model_key keys[] = {
    MODEL_ACTIVATION("hidden_activation"),
    MODEL_IGNORED("hidden_act"),
    MODEL_BOOL("attention_bias", attention_bias),
    MODEL_NUMBER("attn_logit_softcapping", attention_cap, 0, 1e6),
    MODEL_NUMBER("final_logit_softcapping", output_cap, 0, 1e6),
    MODEL_INTEGER("query_pre_attn_scalar", query_scale, 1, 1 << 20),
    MODEL_INTEGER("sliding_window_pattern", window_every, 1, MODEL_MOST_LAYERS),
    MODEL_INTEGER("_sliding_window_pattern", window_every, 1, MODEL_MOST_LAYERS),
    MODEL_NUMBER("rope_local_base_freq", local_theta, 1, 1e15),
    MODEL_MUST("use_bidirectional_attention", 0),
    {0},
};

const model_def model_gemma = {
    .name = "gemma",
    .help = "Gemma 1, 2 and 3 (text)",
    .variants = (const model_variant[]){{"gemma", {"GemmaForCausalLM"}, "gemma", gemma},
                                        {"gemma2", {"Gemma2ForCausalLM"}, "gemma2", gemma2},
                                        {"gemma3_text", {"Gemma3ForCausalLM"}, "gemma3", gemma3},
                                        {0}},
    .keys = keys,
    .prefix = "model.",
    .turns = true,
    .complete = complete,
    .layer = layer,
    .hidden = hidden,
    .logits = block_logits,
};
