/* BERT and the encoders that share its graph, MiniLM, BGE, E5 (Devlin et al. 2018): every token sees every
 * other of its sequence, norms follow the residual sum, positions are learned, all tokens are of type 0.
 *
 *   x = norm(x + attention(x));  x = norm(x + output(act(intermediate(x)))) */
#include "model/kit/blocks.h"
#include "ops/binary.h"
#include "ops/shape.h"
#include <string.h>

static value layer(model_build *b, model_inputs in, value x, int64_t i) {
    const model_config *c = b->config;
    const char *at = block_layer(b, "encoder.layer.", i);
    value q = block_linear(b, x, c->hidden, true, at, "attention.self.query");
    value k = block_linear(b, x, c->hidden, true, at, "attention.self.key");
    value v = block_linear(b, x, c->hidden, true, at, "attention.self.value");
    value h = block_attend(b, in, i, q, k, v, NO_VALUE);
    h = block_dropout(b, block_linear(b, h, c->hidden, true, at, "attention.output.dense"));
    x = block_layer_norm(b, build_add(b->g, x, h), true, at, "attention.output.LayerNorm");
    h = block_activate(b, block_linear(b, x, c->intermediate, true, at, "intermediate.dense"));
    h = block_dropout(b, block_linear(b, h, c->hidden, true, at, "output.dense"));
    return block_layer_norm(b, build_add(b->g, x, h), true, at, "output.LayerNorm");
}

static value hidden(model_build *b, model_inputs in) {
    const model_config *c = b->config;
    value x = block_embedding(b, in.ids, c->vocabulary, "embeddings.", "word_embeddings");
    value at = block_embedding(b, in.positions, c->positions, "embeddings.", "position_embeddings");
    value types = block_parameter(b, 2, (int64_t[]){c->token_types, c->hidden}, "embeddings.",
                                  "token_type_embeddings.weight");
    x = build_add(b->g, build_add(b->g, x, at), build_slice(b->g, types, 0, 0, 1));
    x = block_layer_norm(b, x, true, "embeddings.", "LayerNorm");
    return block_layers(b, in, block_dropout(b, x));
}

static void defaults(model_config *c) {
    c->norm_epsilon = 1e-12;
    c->activation = MODEL_GELU;
    c->token_types = 2;
    c->encoder = c->attention_bias = c->output_bias = c->mlp_bias = true;
    c->pooling = MODEL_POOL_MEAN;
}

static status complete(context *cx, model_config *c) {
    if (*c->position_kind && strcmp(c->position_kind, "absolute") != 0)
        FAIL(cx, STATUS_UNSUPPORTED, "'position_embedding_type' '%s' is not supported",
             c->position_kind);
    return STATUS_OK;
}

static const model_key keys[] = {
    MODEL_NUMBER("layer_norm_eps", norm_epsilon, 0, 1),
    MODEL_INTEGER("type_vocab_size", token_types, 1, 1 << 16),
    {"position_embedding_type", MODEL_KEY_NAME, offsetof(model_config, position_kind), 0, 16},
    MODEL_MUST("is_decoder", 0),
    MODEL_MUST("add_cross_attention", 0),
    MODEL_IGNORED("attention_probs_dropout_prob"),
    MODEL_IGNORED("hidden_dropout_prob"),
    MODEL_IGNORED("classifier_dropout"),
    MODEL_IGNORED("gradient_checkpointing"),
    MODEL_IGNORED("id2label"),
    MODEL_IGNORED("label2id"),
    {0},
};

const model_def model_bert = {
    .name = "bert",
    .help = "BERT, MiniLM, BGE and E5 encoders",
    .variants =
        (const model_variant[]){{"bert", {"BertModel", "BertForMaskedLM"}, "bert", defaults}, {0}},
    .keys = keys,
    .prefix = "bert.",
    .layer_norms = true,
    .complete = complete,
    .layer = layer,
    .hidden = hidden,
};
