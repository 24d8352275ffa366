/* What a model folder's config.json and generation_config.json say, as one typed description.
 *
 * An architecture (model/NAME.c) lists the keys of its own, its types and what they leave out; the
 * keys that most share are in kit/config_keys.c. The tables serve reading and writing. Both forms
 * of today are read: `torch_dtype` and `rope_theta` with `rope_scaling`, and `dtype` with
 * `rope_parameters`. Sizes must be there; heads of keys, head size and activations that a file
 * leaves out follow from the rest or from the architecture, as in transformers. An architecture
 * that is not there, a key that no table knows (unless its value is null), and a rope type without
 * a rule are refused by name. */
#ifndef MODEL_KIT_CONFIG_H
#define MODEL_KIT_CONFIG_H

#include "base/status.h"
#include "store/packed.h"
#include <stdbool.h>

enum { MODEL_MOST_LAYERS = 512, MODEL_MOST_END_TOKENS = 16, MODEL_MOST_FREQUENCIES = 256 };

typedef enum model_activation {
    MODEL_SILU,
    MODEL_GELU,
    MODEL_GELU_TANH,
    MODEL_RELU
} model_activation;

typedef enum model_rope_type {
    MODEL_ROPE_PLAIN,
    MODEL_ROPE_LINEAR,
    MODEL_ROPE_DYNAMIC,
    MODEL_ROPE_YARN,
    MODEL_ROPE_LLAMA3,
    MODEL_ROPE_LONG,
    MODEL_ROPE_TYPES
} model_rope_type;
extern const char *const model_rope_names[MODEL_ROPE_TYPES];

typedef struct model_rope {
    model_rope_type type;
    double theta;
    double rotated;                 /* share of a head that turns, 1: all */
    double factor;                  /* by which positions are stretched */
    double low_factor, high_factor; /* LLAMA3: wavelength bounds, as parts of original_positions */
    double beta_fast, beta_slow;    /* YARN */
    double mscale, mscale_all;      /* YARN, where both are given */
    bool whole_bounds;              /* YARN: the ramp's ends are rounded outwards */
    double attention_factor;        /* YARN, LONG; 0: by rule */
    int64_t original_positions;
    double short_factors[MODEL_MOST_FREQUENCIES], long_factors[MODEL_MOST_FREQUENCIES]; /* LONG */
    int64_t short_count, long_count;
} model_rope;

typedef enum model_qk_norm {
    MODEL_QK_PLAIN,
    MODEL_QK_HEADS, /* each head of queries and keys is normalised */
    MODEL_QK_ROWS   /* all heads together */
} model_qk_norm;

typedef enum model_pooling { MODEL_POOL_MEAN, MODEL_POOL_FIRST } model_pooling;

typedef struct model_config {
    char model_type[32];
    char dtype[16]; /* "bfloat16" ...; "" where the file is silent */
    int64_t layers, hidden, heads, kv_heads, head_size, intermediate, vocabulary, positions;
    int64_t context; /* positions asked for, which fixes rope factors; 0: those above */
    int64_t experts, experts_per_token, expert_intermediate; /* 0: dense */
    int64_t shared_intermediate;       /* of the expert that sees all; 0: none */
    bool normalize_experts;            /* chosen weights are made to sum to 1 */
    int64_t window;                    /* of sliding attention; 0: none */
    bool slides[MODEL_MOST_LAYERS];    /* which layers use it */
    bool still[MODEL_MOST_LAYERS];     /* which layers do without rope */
    bool slides_listed, still_listed;  /* by the file, layer for layer; else by rule: */
    bool window_off;                   /* where a file lists no layer types: no window, */
    int64_t window_from, window_every; /* from this layer on, all but each so manieth; */
    int64_t rope_every;                /* each so manieth layer does without rope */
    double norm_epsilon;
    bool tied;
    bool attention_bias, output_bias, mlp_bias, head_bias; /* of q, k, v; of what follows; ... */
    bool norm_plus_one;                                    /* norms are stored less 1 */
    bool sinks;    /* a logit a head that takes probability and gives nothing */
    bool parallel; /* attention and MLP both read the block's input */
    model_qk_norm qk_norm;
    double attention_cap, output_cap; /* soft caps; 0: none */
    int64_t query_scale;              /* scores are divided by its root; 0: the head size */
    double gate_limit;                /* experts clamp what they gate; 0: none */
    model_activation activation;
    model_rope rope;
    double local_theta; /* of sliding layers, which then turn without scaling; 0: as the others */
    int64_t token_types;
    char position_kind[16]; /* of learned positions */
    bool encoder;           /* every token sees its whole sequence */
    model_pooling pooling;
    bool normalize_embeddings;
    packed_recipe packed; /* how linear layers are stored */
    bool upright; /* states are [outputs, inputs] also of types whose folders have them turned (model_lies_across) */
    double initializer_range;
    int64_t begin_token, pad_token; /* -1: none */
    int64_t end_tokens[MODEL_MOST_END_TOKENS];
    int64_t end_token_count;
    bool sample; /* what the model's makers recommend */
    double temperature, top_p, repetition_penalty;
    int64_t top_k;
} model_config;

typedef enum model_key_kind {
    MODEL_KEY_END,
    MODEL_KEY_INTEGER,
    MODEL_KEY_NUMBER,
    MODEL_KEY_BOOL,
    MODEL_KEY_NAME,
    MODEL_KEY_ACTIVATION,
    MODEL_KEY_MUST, /* a number or bool that must be `low` */
    MODEL_KEY_IGNORED
} model_key_kind;

/* A key, its kind, its place in the description and its bounds. */
typedef struct model_key {
    const char *key;
    model_key_kind kind;
    size_t offset;
    double low, high; /* of names: high is the room */
} model_key;

#define MODEL_INTEGER(key, member, low, high)                                                      \
    { key, MODEL_KEY_INTEGER, offsetof(model_config, member), low, high }
#define MODEL_NUMBER(key, member, low, high)                                                       \
    { key, MODEL_KEY_NUMBER, offsetof(model_config, member), low, high }
#define MODEL_BOOL(key, member)                                                                    \
    { key, MODEL_KEY_BOOL, offsetof(model_config, member), 0, 0 }
#define MODEL_ACTIVATION(key)                                                                      \
    { key, MODEL_KEY_ACTIVATION, offsetof(model_config, activation), 0, 0 }
#define MODEL_MUST(key, what)                                                                      \
    { key, MODEL_KEY_MUST, 0, what, what }
#define MODEL_IGNORED(key)                                                                         \
    { key, MODEL_KEY_IGNORED, 0, 0, 0 }

extern const model_key model_shared_keys[], model_rope_keys[], model_generation_keys[];

/* `name` is what errors call the text. */
status model_config_read(context *cx, const char *name, const char *text, int64_t size_bytes,
                         model_config *out) MUST_USE;
/* Adds generation_config.json, whose tokens win over those of config.json. */
status model_generation_read(context *cx, const char *name, const char *text, int64_t size_bytes,
                             model_config *config) MUST_USE;
/* A description with nothing but defaults of this type, for presets. */
status model_config_start(context *cx, const char *model_type, model_config *out) MUST_USE;
/* Fills in what follows from the rest, and refuses what contradicts itself. */
status model_config_complete(context *cx, model_config *config) MUST_USE;

struct json_writer;
/* The description as config.json, with `dtype` in the place of the description's. */
void model_config_write(struct json_writer *w, const model_config *config, const char *dtype);

#endif
