/* The keys of config.json that most architectures share, those of its rope object, and those of
 * generation_config.json. */
#include "model/kit/config.h"

#define BIG 9e15
#define NAME(key, member, room)                                                                    \
    { key, MODEL_KEY_NAME, offsetof(model_config, member), 0, room }

const char *const model_rope_names[MODEL_ROPE_TYPES] = {"default", "linear", "dynamic",
                                                        "yarn",    "llama3", "longrope"};

const model_key model_shared_keys[] = {
    NAME("model_type", model_type, 32),
    MODEL_INTEGER("vocab_size", vocabulary, 1, 1 << 28),
    MODEL_INTEGER("max_position_embeddings", positions, 1, 1 << 30),
    MODEL_INTEGER("hidden_size", hidden, 1, 1 << 20),
    MODEL_INTEGER("num_hidden_layers", layers, 1, MODEL_MOST_LAYERS),
    MODEL_INTEGER("num_attention_heads", heads, 1, 1 << 16),
    MODEL_INTEGER("num_key_value_heads", kv_heads, 1, 1 << 16),
    MODEL_INTEGER("head_dim", head_size, 1, 1 << 16),
    MODEL_INTEGER("intermediate_size", intermediate, 1, 1 << 24),
    MODEL_ACTIVATION("hidden_act"),
    MODEL_NUMBER("rms_norm_eps", norm_epsilon, 0, 1),
    MODEL_INTEGER("sliding_window", window, 0, 1 << 30),
    MODEL_NUMBER("rope_theta", rope.theta, 1, BIG),
    MODEL_NUMBER("partial_rotary_factor", rope.rotated, 0, 1),
    MODEL_NUMBER("initializer_range", initializer_range, 0, 10),
    MODEL_BOOL("tie_word_embeddings", tied),
    NAME("torch_dtype", dtype, 16),
    NAME("dtype", dtype, 16),
    MODEL_INTEGER("bos_token_id", begin_token, -1, 1 << 28),
    MODEL_INTEGER("pad_token_id", pad_token, -1, 1 << 28),
    MODEL_IGNORED("transformers_version"),
    MODEL_IGNORED("use_cache"),
    MODEL_IGNORED("cache_implementation"),
    MODEL_IGNORED("pretraining_tp"),
    MODEL_IGNORED("attention_dropout"),
    MODEL_IGNORED("hidden_dropout"),
    MODEL_IGNORED("router_aux_loss_coef"),
    MODEL_IGNORED("router_jitter_noise"),
    MODEL_IGNORED("output_router_logits"),
    MODEL_IGNORED("_name_or_path"),
    MODEL_IGNORED("unsloth_fixed"),
    {0},
};

const model_key model_rope_keys[] = {
    MODEL_NUMBER("rope_theta", rope.theta, 1, BIG),
    MODEL_NUMBER("partial_rotary_factor", rope.rotated, 0, 1),
    MODEL_NUMBER("factor", rope.factor, 1, 1e6),
    MODEL_NUMBER("low_freq_factor", rope.low_factor, 0, 1e6),
    MODEL_NUMBER("high_freq_factor", rope.high_factor, 0, 1e6),
    MODEL_NUMBER("beta_fast", rope.beta_fast, 0, 1e6),
    MODEL_NUMBER("beta_slow", rope.beta_slow, 0, 1e6),
    MODEL_NUMBER("mscale", rope.mscale, 0, 1e6),
    MODEL_NUMBER("mscale_all_dim", rope.mscale_all, 0, 1e6),
    MODEL_BOOL("truncate", rope.whole_bounds),
    MODEL_NUMBER("attention_factor", rope.attention_factor, 0, 1e6),
    MODEL_INTEGER("original_max_position_embeddings", rope.original_positions, 1, 1 << 30),
    {0},
};

const model_key model_generation_keys[] = {
    MODEL_BOOL("do_sample", sample),
    MODEL_NUMBER("temperature", temperature, 0, 100),
    MODEL_NUMBER("top_p", top_p, 0, 1),
    MODEL_INTEGER("top_k", top_k, 0, 1 << 28),
    MODEL_NUMBER("repetition_penalty", repetition_penalty, 1e-6, 100),
    MODEL_INTEGER("bos_token_id", begin_token, -1, 1 << 28),
    MODEL_INTEGER("pad_token_id", pad_token, -1, 1 << 28),
    MODEL_IGNORED("transformers_version"),
    MODEL_IGNORED("_from_model_config"),
    MODEL_IGNORED("max_length"),
    MODEL_IGNORED("max_new_tokens"),
    MODEL_IGNORED("use_cache"),
    MODEL_IGNORED("output_attentions"),
    MODEL_IGNORED("output_hidden_states"),
    MODEL_IGNORED("cache_implementation"),
    {0},
};
