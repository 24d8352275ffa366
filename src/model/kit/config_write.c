/* Writing config.json: the fields that the architecture's keys name, each under all its names, those
 * that only shared keys name, once, and what is no single field. What is not there (sizes and numbers of 0,
 * tokens of -1) is left out. */
#include "base/json_write.h"
#include "model/kit/model.h"
#include "store/packed_write.h"
#include <string.h>

static const char *const activations[] = {[MODEL_SILU] = "silu",
                                          [MODEL_GELU] = "gelu",
                                          [MODEL_GELU_TANH] = "gelu_pytorch_tanh",
                                          [MODEL_RELU] = "relu"};

static void write_key(json_writer *w, const model_key *k, const model_config *c) {
    const void *place = (const char *)c + k->offset;
    switch (k->kind) {
    case MODEL_KEY_INTEGER:
        if (*(const int64_t *)place != -1 && (*(const int64_t *)place || k->low < 0))
            json_write_integer_field(w, k->key, *(const int64_t *)place);
        break;
    case MODEL_KEY_NUMBER:
        if (*(const double *)place != 0) json_write_number_field(w, k->key, *(const double *)place);
        break;
    case MODEL_KEY_BOOL:
        json_write_bool_field(w, k->key, *(const bool *)place);
        break;
    case MODEL_KEY_NAME:
        if (*(const char *)place) json_write_string_field(w, k->key, place);
        break;
    case MODEL_KEY_ACTIVATION:
        json_write_string_field(w, k->key, activations[c->activation]);
        break;
    case MODEL_KEY_END:
    case MODEL_KEY_MUST:
    case MODEL_KEY_IGNORED:
        break;
    }
}

static bool has_place(const model_key *k) {
    return k->kind != MODEL_KEY_IGNORED && k->kind != MODEL_KEY_MUST;
}

/* Whether one of the keys before `end` has the same place. */
static bool is_said(const model_key *keys, const model_key *end, const model_key *k) {
    for (; keys && keys != end && keys->key; keys++)
        if (has_place(keys) && keys->offset == k->offset) return true;
    return false;
}

static void write_factors(json_writer *w, const char *key, const double *factors, int64_t count) {
    json_write_key(w, key);
    json_write_array(w);
    for (int64_t i = 0; i < count; i++) json_write_number(w, factors[i]);
    json_write_array_end(w);
}

static bool is_of_rope(const model_key *k) {
    return has_place(k) && k->offset >= offsetof(model_config, rope) &&
           k->offset < offsetof(model_config, rope) + sizeof(model_rope);
}

static bool rope_uses(const model_rope *rope, const char *key) {
    static const struct {
        const char *key;
        model_rope_type type;
    } some[] = {{"low_freq_factor", MODEL_ROPE_LLAMA3},
                {"high_freq_factor", MODEL_ROPE_LLAMA3},
                {"beta_fast", MODEL_ROPE_YARN},
                {"beta_slow", MODEL_ROPE_YARN},
                {"mscale", MODEL_ROPE_YARN},
                {"mscale_all_dim", MODEL_ROPE_YARN},
                {"truncate", MODEL_ROPE_YARN},
                {"factor", MODEL_ROPE_TYPES},
                {"original_max_position_embeddings", MODEL_ROPE_TYPES}};
    for (int64_t i = 0; i < COUNT_OF(some); i++)
        if (!strcmp(key, some[i].key))
            return some[i].type == MODEL_ROPE_TYPES ? rope->type != MODEL_ROPE_PLAIN
                                                    : rope->type == some[i].type;
    return true;
}

/* The old form, which every reader knows: theta and share beside an object of the scaling. */
static void write_rope(json_writer *w, const model_config *c) {
    const model_rope *rope = &c->rope;
    json_write_key(w, "rope_scaling");
    json_write_object(w);
    json_write_string_field(w, "rope_type", model_rope_names[rope->type]);
    for (const model_key *k = model_rope_keys; k->key; k++)
        if (rope_uses(rope, k->key)) write_key(w, k, c);
    if (rope->type == MODEL_ROPE_LONG) {
        write_factors(w, "short_factor", rope->short_factors, rope->short_count);
        write_factors(w, "long_factor", rope->long_factors, rope->long_count);
    }
    json_write_object_end(w);
}

/* Lists by layer, where layers differ. */
static void write_layers(json_writer *w, const model_config *c) {
    bool mixed = false, still = false;
    for (int64_t i = 0; i < c->layers; i++) {
        mixed |= c->slides[i] != c->slides[0];
        still |= c->still[i];
    }
    if (c->window) json_write_bool_field(w, "use_sliding_window", true);
    if (mixed) {
        json_write_key(w, "layer_types");
        json_write_array(w);
        for (int64_t i = 0; i < c->layers; i++)
            json_write_string(w, c->slides[i] ? "sliding_attention" : "full_attention");
        json_write_array_end(w);
    }
    if (!still) return;
    json_write_key(w, "no_rope_layers");
    json_write_array(w);
    for (int64_t i = 0; i < c->layers; i++) json_write_integer(w, !c->still[i]);
    json_write_array_end(w);
}

/* Where a key is left out, transformers takes the type's own token, which may be outside the vocabulary. */
static void write_null(json_writer *w, const char *key) {
    json_write_key(w, key);
    json_write_null(w);
}

static void write_end_tokens(json_writer *w, const model_config *c) {
    if (!c->end_token_count) {
        write_null(w, "eos_token_id");
        return;
    }
    if (c->end_token_count == 1) {
        json_write_integer_field(w, "eos_token_id", c->end_tokens[0]);
        return;
    }
    json_write_key(w, "eos_token_id");
    json_write_array(w);
    for (int64_t i = 0; i < c->end_token_count; i++) json_write_integer(w, c->end_tokens[i]);
    json_write_array_end(w);
}

void model_config_write(json_writer *w, const model_config *config, const char *dtype) {
    model_config c = *config;
    const model_variant *variant;
    const model_def *def = model_find(c.model_type, &variant);
    if (!def) return;
    if (dtype) strncpy(c.dtype, dtype, sizeof c.dtype - 1);
    json_write_object(w);
    json_write_key(w, "architectures");
    json_write_array(w);
    json_write_string(w, variant->classes[0]);
    json_write_array_end(w);
    for (const model_key *k = def->keys; k && k->key; k++)
        if (has_place(k)) write_key(w, k, &c); /* types of one family name a field differently */
    for (const model_key *k = model_shared_keys; k->key; k++) {
        bool said = is_said(def->keys, NULL, k) || is_said(model_shared_keys, k, k);
        bool turns = !is_of_rope(k) || def->turns;
        if (has_place(k) && !said && turns) write_key(w, k, &c);
    }
    if (c.begin_token < 0) write_null(w, "bos_token_id");
    write_end_tokens(w, &c);
    if (def->turns) write_rope(w, &c);
    write_layers(w, &c);
    if (c.packed.method != PACKED_NONE && c.packed.method != PACKED_MXFP4) {
        json_write_key(w, "quantization_config");
        packed_write_config(w, &c.packed);
    }
    json_write_object_end(w);
}
