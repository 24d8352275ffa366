/* A GGUF file's metadata as a config.json, so that one reader judges both: keys `ARCH.key` become
 * the keys of transformers. GGUF says `llama` for mistral, whose graph is the same, and for
 * mixtral, which has experts; it leaves out gemma2's attention scale, which follows from its size.
 */
#include "base/json_write.h"
#include "cmd/kit/inspect.h"
#include <stdio.h>
#include <string.h>

enum { KEY_BYTES = 160, GEMMA2_27B_LAYERS = 46 };

static const struct {
    const char *gguf, *config;
    bool whole;
} keys[] = {
    {"block_count", "num_hidden_layers", true},
    {"embedding_length", "hidden_size", true},
    {"attention.head_count", "num_attention_heads", true},
    {"attention.head_count_kv", "num_key_value_heads", true},
    {"attention.key_length", "head_dim", true},
    {"feed_forward_length", "intermediate_size", true},
    {"context_length", "max_position_embeddings", true},
    {"expert_count", "num_experts", true},
    {"expert_used_count", "num_experts_per_tok", true},
    {"expert_feed_forward_length", "moe_intermediate_size", true},
    {"attention.sliding_window", "sliding_window", true},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", false},
    {"rope.freq_base", "rope_theta", false},
    {"attn_logit_softcapping", "attn_logit_softcapping", false},
    {"final_logit_softcapping", "final_logit_softcapping", false},
};

static bool is_text(gguf_string text, const char *literal) {
    return text.length == (int64_t)strlen(literal) &&
           !memcmp(text.bytes, literal, (size_t)text.length);
}

/* `ARCH.key`, and whether the file has it. */
static bool key_of(const gguf *g, gguf_string arch, const char *key, char out[KEY_BYTES]) {
    snprintf(out, KEY_BYTES, "%.*s.%s", (int)MIN_OF(arch.length, 60), arch.bytes, key);
    return gguf_find(g, out) != NULL;
}

static status write_sizes(const gguf *g, gguf_string arch, json_writer *w) {
    char key[KEY_BYTES];
    for (int64_t i = 0; i < COUNT_OF(keys); i++) {
        int64_t whole;
        double number;
        if (!key_of(g, arch, keys[i].gguf, key)) continue;
        if (keys[i].whole) {
            TRY(gguf_integer(g, key, 0, INT32_MAX, &whole));
            if (whole) json_write_integer_field(w, keys[i].config, whole);
        } else {
            TRY(gguf_number(g, key, &number));
            json_write_number_field(w, keys[i].config, number);
        }
    }
    const gguf_value *tokens = gguf_find(g, "tokenizer.ggml.tokens");
    int64_t vocabulary = tokens && tokens->type == GGUF_ARRAY ? tokens->count : 0;
    if (key_of(g, arch, "vocab_size", key)) TRY(gguf_integer(g, key, 1, INT32_MAX, &vocabulary));
    if (vocabulary) json_write_integer_field(w, "vocab_size", vocabulary);
    return STATUS_OK;
}

static status write_rope(const gguf *g, gguf_string arch, json_writer *w) {
    char key[KEY_BYTES];
    gguf_string type;
    double factor;
    int64_t positions;
    if (!key_of(g, arch, "rope.scaling.type", key)) return STATUS_OK;
    TRY(gguf_text(g, key, &type));
    if (is_text(type, "none")) return STATUS_OK;
    json_write_key(w, "rope_scaling");
    json_write_object(w);
    json_write_key(w, "rope_type");
    json_write_text(w, type.bytes, type.length);
    if (key_of(g, arch, "rope.scaling.factor", key)) {
        TRY(gguf_number(g, key, &factor));
        json_write_number_field(w, "factor", factor);
    }
    if (key_of(g, arch, "rope.scaling.original_context_length", key)) {
        TRY(gguf_integer(g, key, 1, INT32_MAX, &positions));
        json_write_integer_field(w, "original_max_position_embeddings", positions);
    }
    json_write_object_end(w);
    return STATUS_OK;
}

static status write_gemma2(const gguf *g, gguf_string arch, json_writer *w) {
    char key[KEY_BYTES];
    int64_t layers, head_size = 256, hidden, heads;
    key_of(g, arch, "block_count", key);
    TRY(gguf_integer(g, key, 1, INT32_MAX, &layers));
    if (key_of(g, arch, "attention.key_length", key))
        TRY(gguf_integer(g, key, 1, INT32_MAX, &head_size));
    if (layers == GEMMA2_27B_LAYERS) {
        key_of(g, arch, "embedding_length", key);
        TRY(gguf_integer(g, key, 1, INT32_MAX, &hidden));
        key_of(g, arch, "attention.head_count", key);
        TRY(gguf_integer(g, key, 1, INT32_MAX, &heads));
        head_size = hidden / heads;
    }
    json_write_integer_field(w, "query_pre_attn_scalar", head_size);
    return STATUS_OK;
}

static status write_type(const gguf *g, gguf_string arch, json_writer *w) {
    int64_t experts = 0;
    if (gguf_find(g, "llama.expert_count"))
        TRY(gguf_integer(g, "llama.expert_count", 0, INT32_MAX, &experts));
    json_write_key(w, "model_type");
    if (is_text(arch, "qwen3moe"))
        json_write_string(w, "qwen3_moe");
    else if (is_text(arch, "llama") && experts)
        json_write_string(w, "mixtral");
    else
        json_write_text(w, arch.bytes, arch.length);
    return STATUS_OK;
}

static status write_all(const gguf *g, json_writer *w) {
    gguf_string arch;
    TRY(gguf_text(g, "general.architecture", &arch));
    json_write_object(w);
    TRY(write_type(g, arch, w));
    TRY(write_sizes(g, arch, w));
    TRY(write_rope(g, arch, w));
    if (is_text(arch, "gemma2")) TRY(write_gemma2(g, arch, w));
    bool tied = g->n_tensors && !gguf_find_tensor(g, "output.weight");
    json_write_bool_field(w, "tie_word_embeddings", tied);
    json_write_object_end(w);
    return json_writer_finish(w);
}

status inspect_gguf_config(context *cx, const char *name, const gguf *g, model_config *out) {
    json_writer w = json_writer_to_buffer(cx, 0);
    status st = write_all(g, &w);
    if (st == STATUS_OK) st = model_config_read(cx, name, w.bytes, w.size, out);
    json_writer_free(&w);
    return st;
}
