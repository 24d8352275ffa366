/* What architectures are built from. Names of parameters are `at` ("model.layers.3.") followed by
 * the part ("self_attn.q_proj"); sizes and kinds come from the configuration. */
#ifndef MODEL_KIT_BLOCKS_H
#define MODEL_KIT_BLOCKS_H

#include "model/kit/model.h"
#include "ops/matmul.h"

/* A parameter in the format that the caller of the builder wants. */
value block_parameter(model_build *b, int32_t rank, const int64_t *dim, const char *at,
                      const char *name);
/* The prefix of a layer, "PREFIXlayers.I." for "PREFIXlayers.", and its region from here on. */
const char *block_layer(model_build *b, const char *prefix, int64_t layer);
/* AT followed by a part that holds others, "mlp.". */
const char *block_inside(model_build *b, const char *at, const char *part);
/* All layers of the architecture, each in its region. */
value block_layers(model_build *b, model_inputs in, value x);
/* The whole of most decoders: embed_tokens, layers, norm; and their logits. */
value block_hidden(model_build *b, model_inputs in);
value block_logits(model_build *b, value hidden);

/* y = x w (+ bias), in the orientation of the architecture's files. */
value block_linear(model_build *b, value x, int64_t outputs, bool bias, const char *at,
                   const char *part);
/* Rows of a table by ids. */
value block_embedding(model_build *b, value ids, int64_t rows, const char *at, const char *part);
/* rms_norm by NAME.weight; layer_norm by NAME.weight and NAME.bias. Over all columns of x. */
value block_rms_norm(model_build *b, value x, const char *at, const char *part);
value block_layer_norm(model_build *b, value x, bool bias, const char *at, const char *part);
/* The same over each of the heads in a row of x. */
value block_head_norm(model_build *b, value x, const char *at, const char *part);
value block_dropout(model_build *b, value x);
matmul_act block_act(const model_config *c);
value block_activate(model_build *b, value x);
/* Columns from `start` on. */
value block_columns(model_build *b, value x, int64_t start, int64_t columns);

/* Positions into queries or keys, unless the layer does without. */
value block_rotate(model_build *b, value x, value positions, int64_t layer);
/* Causal attention of the layer: scale, window, soft cap from the configuration. */
value block_attend(model_build *b, model_inputs in, int64_t layer, value q, value k, value v,
                   value sinks);

/* The attention of most decoders: q_proj, k_proj, v_proj with their norms, rope, o_proj. */
value block_attention(model_build *b, model_inputs in, value x, int64_t layer, const char *at);
/* down_proj(act(gate_proj x) * up_proj x). */
value block_gated_mlp(model_build *b, value x, int64_t width, const char *at);
/* What an architecture calls the router and its experts; `experts` ends in "*.", for all of them. */
typedef struct block_expert_names {
    const char *router, *experts, *gate, *up, *down;
} block_expert_names;
/* Each row through the experts that its router chooses. */
value block_experts(model_build *b, value x, const char *at, const block_expert_names *names);
/* Logits by the input embedding where it is tied, else by `head`; soft-capped where configured. */
value block_head(model_build *b, value hidden, const char *embedding, const char *head);

#endif
