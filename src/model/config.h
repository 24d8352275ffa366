/* What a model folder's config.json and generation_config.json say, as one typed description.
 *
 * Both forms of today are read: `torch_dtype` and `rope_theta` with `rope_scaling`, and `dtype`
 * with `rope_parameters`. Sizes must be there; heads of keys, head size, tied embeddings and
 * activations that a file leaves out follow from the rest or from the architecture, as in
 * transformers. An architecture that is not in the table, a key that no table knows (unless its
 * value is null), and a rope type without a rule are refused by name. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include "base/status.h"
#include "store/packed.h"
#include <stdbool.h>

enum { MODEL_MOST_LAYERS = 512, MODEL_MOST_END_TOKENS = 16 };

typedef enum model_activation {
    MODEL_SILU,
    MODEL_GELU,
    MODEL_GELU_TANH,
    MODEL_RELU
} model_activation;

typedef enum model_rope_type {
    MODEL_ROPE_PLAIN,
    MODEL_ROPE_LINEAR,
    MODEL_ROPE_LLAMA3,
    MODEL_ROPE_YARN
} model_rope_type;

typedef struct model_rope {
    model_rope_type type;
    double theta;
    double rotated;                 /* share of a head that turns, 1: all */
    double factor;                  /* by which positions are stretched */
    double low_factor, high_factor; /* LLAMA3: wavelength bounds, as parts of original_positions */
    double beta_fast, beta_slow;    /* YARN */
    double attention_factor;        /* YARN, 0: from `factor` */
    int64_t original_positions;
} model_rope;

typedef struct model_config {
    char model_type[32];
    char dtype[16]; /* "bfloat16" ...; "" where the file is silent */
    int64_t layers, hidden, heads, kv_heads, head_size, intermediate, vocabulary, positions;
    int64_t experts, experts_per_token, expert_intermediate; /* 0: dense */
    bool normalize_experts;         /* chosen weights are made to sum to 1 */
    int64_t window;                 /* of sliding attention; 0: none */
    bool slides[MODEL_MOST_LAYERS]; /* which layers use it */
    double norm_epsilon;
    bool tied, attention_bias, mlp_bias;
    bool norm_plus_one; /* norms are stored less 1 */
    double attention_cap, output_cap,
        query_scale; /* soft caps and the root of the scale; 0: none */
    model_activation activation;
    model_rope rope;
    packed_recipe packed;           /* how linear layers are stored */
    int64_t begin_token, pad_token; /* -1: none */
    int64_t end_tokens[MODEL_MOST_END_TOKENS];
    int64_t end_token_count;
    bool sample; /* what the model's makers recommend */
    double temperature, top_p, repetition_penalty;
    int64_t top_k;
} model_config;

/* `name` is what errors call the text. */
status model_config_read(context *cx, const char *name, const char *text, int64_t size_bytes,
                         model_config *out) MUST_USE;
/* Adds generation_config.json, whose tokens win over those of config.json. */
status model_generation_read(context *cx, const char *name, const char *text, int64_t size_bytes,
                             model_config *config) MUST_USE;

#endif
