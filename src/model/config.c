/* Reading is by tables: a key, its kind, its place in the description and its bounds. */
#include "model/config.h"
#include "base/json.h"
#include <stdio.h>
#include <string.h>

typedef enum field_kind {
    FIELD_INTEGER,
    FIELD_NUMBER,
    FIELD_BOOL,
    FIELD_NAME,
    FIELD_IGNORED
} field_kind;

typedef struct field {
    const char *key;
    field_kind kind;
    size_t offset;
    double low, high; /* of names: the room */
} field;

/* What stays out of the description until the end of the text. */
typedef struct reading {
    model_config *config;
    json *j;
    char activation[32], gemma_activation[32], rope_type[16];
    bool use_window, has_window_switch, has_layer_types, has_tied;
    int64_t window_layers;
} reading;

typedef struct architecture {
    const char *model_type, *class_name;
    bool tied, gemma, normalizes, biased;
    int64_t head_size; /* where the file is silent; 0: width / heads */
} architecture;

static const architecture architectures[] = {
    {"llama", "LlamaForCausalLM"},
    {"mistral", "MistralForCausalLM"},
    {"mixtral", "MixtralForCausalLM", .normalizes = true},
    {"qwen2", "Qwen2ForCausalLM", .biased = true},
    {"qwen3", "Qwen3ForCausalLM", .head_size = 128},
    {"qwen3_moe", "Qwen3MoeForCausalLM", .head_size = 128},
    {"gemma", "GemmaForCausalLM", .tied = true, .gemma = true, .head_size = 256},
    {"gemma2", "Gemma2ForCausalLM", .tied = true, .gemma = true, .head_size = 256},
};

#define AT(member) offsetof(model_config, member)
#define BIG 9e15

static const field config_fields[] = {
    {"num_hidden_layers", FIELD_INTEGER, AT(layers), 1, MODEL_MOST_LAYERS},
    {"hidden_size", FIELD_INTEGER, AT(hidden), 1, 1 << 20},
    {"num_attention_heads", FIELD_INTEGER, AT(heads), 1, 1 << 16},
    {"num_key_value_heads", FIELD_INTEGER, AT(kv_heads), 1, 1 << 16},
    {"head_dim", FIELD_INTEGER, AT(head_size), 1, 1 << 16},
    {"intermediate_size", FIELD_INTEGER, AT(intermediate), 1, 1 << 24},
    {"vocab_size", FIELD_INTEGER, AT(vocabulary), 1, 1 << 28},
    {"max_position_embeddings", FIELD_INTEGER, AT(positions), 1, 1 << 30},
    {"num_local_experts", FIELD_INTEGER, AT(experts), 1, 1 << 16},
    {"num_experts", FIELD_INTEGER, AT(experts), 1, 1 << 16},
    {"num_experts_per_tok", FIELD_INTEGER, AT(experts_per_token), 1, 1 << 16},
    {"moe_intermediate_size", FIELD_INTEGER, AT(expert_intermediate), 1, 1 << 24},
    {"norm_topk_prob", FIELD_BOOL, AT(normalize_experts)},
    {"sliding_window", FIELD_INTEGER, AT(window), 0, 1 << 30},
    {"rms_norm_eps", FIELD_NUMBER, AT(norm_epsilon), 0, 1},
    {"attention_bias", FIELD_BOOL, AT(attention_bias)},
    {"mlp_bias", FIELD_BOOL, AT(mlp_bias)},
    {"attn_logit_softcapping", FIELD_NUMBER, AT(attention_cap), 0, BIG},
    {"final_logit_softcapping", FIELD_NUMBER, AT(output_cap), 0, BIG},
    {"query_pre_attn_scalar", FIELD_NUMBER, AT(query_scale), 0, BIG},
    {"rope_theta", FIELD_NUMBER, AT(rope.theta), 1, BIG},
    {"partial_rotary_factor", FIELD_NUMBER, AT(rope.rotated), 0, 1},
    {"torch_dtype", FIELD_NAME, AT(dtype), .high = 16},
    {"dtype", FIELD_NAME, AT(dtype), .high = 16},
    {"bos_token_id", FIELD_INTEGER, AT(begin_token), 0, 1 << 28},
    {"pad_token_id", FIELD_INTEGER, AT(pad_token), -1, 1 << 28},
    {"transformers_version", FIELD_IGNORED},
    {"use_cache", FIELD_IGNORED},
    {"cache_implementation", FIELD_IGNORED},
    {"initializer_range", FIELD_IGNORED},
    {"pretraining_tp", FIELD_IGNORED},
    {"attention_dropout", FIELD_IGNORED},
    {"hidden_dropout", FIELD_IGNORED},
    {"router_aux_loss_coef", FIELD_IGNORED},
    {"router_jitter_noise", FIELD_IGNORED},
    {"output_router_logits", FIELD_IGNORED},
    {"_name_or_path", FIELD_IGNORED},
    {"unsloth_fixed", FIELD_IGNORED},
    {0},
};

static const field rope_fields[] = {
    {"rope_theta", FIELD_NUMBER, AT(rope.theta), 1, BIG},
    {"partial_rotary_factor", FIELD_NUMBER, AT(rope.rotated), 0, 1},
    {"factor", FIELD_NUMBER, AT(rope.factor), 1, 1e6},
    {"low_freq_factor", FIELD_NUMBER, AT(rope.low_factor), 0, 1e6},
    {"high_freq_factor", FIELD_NUMBER, AT(rope.high_factor), 0, 1e6},
    {"beta_fast", FIELD_NUMBER, AT(rope.beta_fast), 0, 1e6},
    {"beta_slow", FIELD_NUMBER, AT(rope.beta_slow), 0, 1e6},
    {"attention_factor", FIELD_NUMBER, AT(rope.attention_factor), 0, 1e6},
    {"original_max_position_embeddings", FIELD_INTEGER, AT(rope.original_positions), 1, 1 << 30},
    {0},
};

static const field generation_fields[] = {
    {"do_sample", FIELD_BOOL, AT(sample)},
    {"temperature", FIELD_NUMBER, AT(temperature), 0, 100},
    {"top_p", FIELD_NUMBER, AT(top_p), 0, 1},
    {"top_k", FIELD_INTEGER, AT(top_k), 0, 1 << 28},
    {"repetition_penalty", FIELD_NUMBER, AT(repetition_penalty), 1e-6, 100},
    {"bos_token_id", FIELD_INTEGER, AT(begin_token), 0, 1 << 28},
    {"pad_token_id", FIELD_INTEGER, AT(pad_token), -1, 1 << 28},
    {"transformers_version", FIELD_IGNORED},
    {"_from_model_config", FIELD_IGNORED},
    {"max_length", FIELD_IGNORED},
    {"max_new_tokens", FIELD_IGNORED},
    {"cache_implementation", FIELD_IGNORED},
    {0},
};

/* A text value, with room for `room` bytes and a zero. */
static status read_name(json *j, char *out, size_t room) {
    json_text text;
    TRY(json_string(j, &text));
    if (text.length >= (int64_t)room || memchr(text.bytes, 0, (size_t)text.length))
        return json_fail(j, STATUS_UNSUPPORTED, "'%.*s' is not known", (int)MIN_OF(text.length, 60),
                         text.bytes);
    memcpy(out, text.bytes, (size_t)text.length);
    out[text.length] = 0;
    return STATUS_OK;
}

static status read_field(json *j, const field *f, model_config *c) {
    void *place = (char *)c + f->offset;
    switch (f->kind) {
    case FIELD_INTEGER:
        return json_integer(j, (int64_t)f->low, (int64_t)f->high, place);
    case FIELD_NUMBER:
        return json_number(j, f->low, f->high, place);
    case FIELD_BOOL:
        return json_bool(j, place);
    case FIELD_NAME:
        return read_name(j, place, (size_t)f->high);
    case FIELD_IGNORED:
        break;
    }
    return json_skip(j);
}

static status read_end_tokens(reading *r) {
    json_kind kind;
    model_config *c = r->config;
    c->end_token_count = 0;
    TRY(json_peek(r->j, &kind));
    if (kind != JSON_ARRAY) {
        c->end_token_count = 1;
        return json_integer(r->j, 0, 1 << 28, &c->end_tokens[0]);
    }
    TRY(json_enter_array(r->j));
    for (bool more;;) {
        TRY(json_next_item(r->j, &more));
        if (!more) return STATUS_OK;
        if (c->end_token_count == MODEL_MOST_END_TOKENS)
            return json_fail(r->j, STATUS_UNSUPPORTED, "more than %d end tokens",
                             (int)MODEL_MOST_END_TOKENS);
        TRY(json_integer(r->j, 0, 1 << 28, &c->end_tokens[c->end_token_count++]));
    }
}

static status read_layer_types(reading *r) {
    r->has_layer_types = true;
    TRY(json_enter_array(r->j));
    for (int64_t layer = 0;; layer++) {
        bool more;
        char name[32];
        TRY(json_next_item(r->j, &more));
        r->window_layers = layer;
        if (!more) return STATUS_OK;
        if (layer == MODEL_MOST_LAYERS)
            return json_fail(r->j, STATUS_UNSUPPORTED, "more than %d layers",
                             (int)MODEL_MOST_LAYERS);
        TRY(read_name(r->j, name, sizeof name));
        r->config->slides[layer] = !strcmp(name, "sliding_attention");
        if (!r->config->slides[layer] && strcmp(name, "full_attention"))
            return json_fail(r->j, STATUS_UNSUPPORTED, "the layer type '%s' is not supported",
                             name);
    }
}

/* The first class must be one of the table; it also stands for the model's type. */
static status read_classes(reading *r) {
    char name[64];
    bool more;
    TRY(json_enter_array(r->j));
    TRY(json_next_item(r->j, &more));
    if (!more) return STATUS_OK;
    TRY(read_name(r->j, name, sizeof name));
    bool known = false;
    for (int64_t i = 0; i < COUNT_OF(architectures); i++)
        known |= !strcmp(name, architectures[i].class_name);
    if (!known)
        return json_fail(r->j, STATUS_UNSUPPORTED, "the architecture '%s' is not supported", name);
    TRY(json_next_item(r->j, &more));
    return more ? json_fail(r->j, STATUS_UNSUPPORTED, "two architectures") : STATUS_OK;
}

static status read_object(reading *r, const field *fields,
                          status (*special)(reading *, json_text, bool *));

static status rope_special(reading *r, json_text key, bool *done) {
    *done = json_is(key, "rope_type") || json_is(key, "type");
    return *done ? read_name(r->j, r->rope_type, sizeof r->rope_type) : STATUS_OK;
}

static status generation_special(reading *r, json_text key, bool *done) {
    *done = json_is(key, "eos_token_id");
    return *done ? read_end_tokens(r) : STATUS_OK;
}

static status config_special(reading *r, json_text key, bool *done) {
    *done = true;
    r->has_tied |= json_is(key, "tie_word_embeddings");
    if (json_is(key, "tie_word_embeddings")) return json_bool(r->j, &r->config->tied);
    if (json_is(key, "architectures")) return read_classes(r);
    if (json_is(key, "model_type"))
        return read_name(r->j, r->config->model_type, sizeof r->config->model_type);
    if (json_is(key, "eos_token_id")) return read_end_tokens(r);
    if (json_is(key, "hidden_act")) return read_name(r->j, r->activation, sizeof r->activation);
    if (json_is(key, "hidden_activation"))
        return read_name(r->j, r->gemma_activation, sizeof r->gemma_activation);
    if (json_is(key, "layer_types")) return read_layer_types(r);
    if (json_is(key, "quantization_config")) return packed_recipe_read(r->j, &r->config->packed);
    if (json_is(key, "rope_scaling") || json_is(key, "rope_parameters"))
        return read_object(r, rope_fields, rope_special);
    if (json_is(key, "use_sliding_window")) {
        r->has_window_switch = true;
        return json_bool(r->j, &r->use_window);
    }
    if (json_is(key, "max_window_layers"))
        return json_integer(r->j, 0, MODEL_MOST_LAYERS, &r->window_layers);
    if (json_is(key, "decoder_sparse_step")) {
        int64_t step;
        return json_integer(r->j, 1, 1, &step);
    }
    if (json_is(key, "mlp_only_layers")) {
        bool more;
        TRY(json_enter_array(r->j));
        TRY(json_next_item(r->j, &more));
        return more ? json_fail(r->j, STATUS_UNSUPPORTED,
                                "dense layers among experts are not supported")
                    : STATUS_OK;
    }
    *done = false;
    return STATUS_OK;
}

static status read_object(reading *r, const field *fields,
                          status (*special)(reading *, json_text, bool *)) {
    TRY(json_enter_object(r->j));
    for (;;) {
        json_text key;
        json_kind kind;
        bool more, done;
        TRY(json_next_key(r->j, &more, &key));
        if (!more) return STATUS_OK;
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)MIN_OF(key.length, 60), key.bytes);
        TRY(json_peek(r->j, &kind));
        if (kind == JSON_NULL) {
            TRY(json_skip(r->j));
            continue;
        }
        TRY_NOTE(r->j->cx, special(r, key, &done), "'%s'", name);
        if (done) continue;
        const field *f = fields;
        while (f->key && !json_is(key, f->key)) f++;
        if (!f->key) return json_fail(r->j, STATUS_UNSUPPORTED, "the key '%s' is not known", name);
        TRY_NOTE(r->j->cx, read_field(r->j, f, r->config), "'%s'", name);
    }
}

static status set_activation(context *cx, const char *name, model_activation *out) {
    static const struct {
        const char *name;
        model_activation activation;
    } table[] = {{"silu", MODEL_SILU},
                 {"swish", MODEL_SILU},
                 {"gelu", MODEL_GELU},
                 {"gelu_new", MODEL_GELU_TANH},
                 {"gelu_pytorch_tanh", MODEL_GELU_TANH},
                 {"relu", MODEL_RELU}};
    for (int64_t i = 0; i < COUNT_OF(table); i++) {
        if (strcmp(name, table[i].name)) continue;
        *out = table[i].activation;
        return STATUS_OK;
    }
    FAIL(cx, STATUS_UNSUPPORTED, "the activation '%s' is not supported", name);
}

static status set_rope(context *cx, const char *name, const model_config *c, model_rope *rope) {
    static const char *const names[] = {"default", "linear", "llama3", "yarn"};
    for (int64_t i = 0; i < COUNT_OF(names); i++) {
        if (*name && strcmp(name, names[i])) continue;
        rope->type = (model_rope_type)i;
        if (!rope->original_positions) rope->original_positions = c->positions;
        if (i && rope->factor == 0) FAIL(cx, STATUS_BAD_DATA, "rope '%s' has no factor", name);
        if (rope->type == MODEL_ROPE_LLAMA3 &&
            !(rope->low_factor > 0 && rope->high_factor > rope->low_factor))
            FAIL(cx, STATUS_BAD_DATA, "rope 'llama3' needs 0 < low_freq_factor < high_freq_factor");
        if (rope->factor == 0) rope->factor = 1;
        return STATUS_OK;
    }
    FAIL(cx, STATUS_UNSUPPORTED, "the rope type '%s' is not supported", name);
}

/* Which layers slide: as listed, or by the rule of the architecture. */
static status set_window(context *cx, reading *r) {
    model_config *c = r->config;
    bool qwen = !strncmp(c->model_type, "qwen", 4), alternating = !strcmp(c->model_type, "gemma2");
    if (r->has_layer_types && r->window_layers != c->layers)
        FAIL(cx, STATUS_BAD_DATA, "'layer_types' names %lld layers of %lld",
             (long long)r->window_layers, (long long)c->layers);
    bool any = false;
    if ((qwen || r->has_window_switch) && !r->use_window) c->window = 0;
    for (int64_t i = 0; i < c->layers; i++) {
        if (!r->has_layer_types)
            c->slides[i] = alternating ? i % 2 == 0 : !qwen || i >= r->window_layers;
        c->slides[i] = c->slides[i] && c->window > 0;
        any |= c->slides[i];
    }
    if (!any) c->window = 0;
    return STATUS_OK;
}

static status check_sizes(context *cx, model_config *c) {
    const struct {
        const char *key;
        int64_t value;
    } needed[] = {{"num_hidden_layers", c->layers},  {"hidden_size", c->hidden},
                  {"num_attention_heads", c->heads}, {"intermediate_size", c->intermediate},
                  {"vocab_size", c->vocabulary},     {"max_position_embeddings", c->positions}};
    for (int64_t i = 0; i < COUNT_OF(needed); i++) {
        if (!needed[i].value) FAIL(cx, STATUS_BAD_DATA, "the key '%s' is missing", needed[i].key);
    }
    if (!c->kv_heads) c->kv_heads = c->heads;
    if (c->heads % c->kv_heads)
        FAIL(cx, STATUS_BAD_DATA, "%lld heads do not divide by %lld of keys", (long long)c->heads,
             (long long)c->kv_heads);
    if (!c->head_size && c->hidden % c->heads)
        FAIL(cx, STATUS_BAD_DATA, "a width of %lld does not divide by %lld heads",
             (long long)c->hidden, (long long)c->heads);
    if (!c->head_size) c->head_size = c->hidden / c->heads;
    if (c->experts_per_token > c->experts)
        FAIL(cx, STATUS_BAD_DATA, "%lld experts a token of %lld", (long long)c->experts_per_token,
             (long long)c->experts);
    if (c->experts && !c->expert_intermediate) c->expert_intermediate = c->intermediate;
    return STATUS_OK;
}

/* What only the whole text tells: the architecture's defaults and what depends on several keys. */
static status complete(context *cx, reading *r) {
    model_config *c = r->config;
    const architecture *a = NULL;
    for (int64_t i = 0; i < COUNT_OF(architectures) && !a; i++) {
        if (!strcmp(c->model_type, architectures[i].model_type)) a = &architectures[i];
    }
    if (!*c->model_type) FAIL(cx, STATUS_BAD_DATA, "the key 'model_type' is missing");
    if (!a) FAIL(cx, STATUS_UNSUPPORTED, "the architecture '%s' is not supported", c->model_type);
    if (!r->has_tied) c->tied = a->tied;
    c->norm_plus_one = a->gemma;
    c->normalize_experts |= a->normalizes;
    c->attention_bias |= a->biased;
    if (!c->head_size && a->head_size) c->head_size = a->head_size;
    if (!strcmp(a->model_type, "gemma2") && c->query_scale == 0)
        FAIL(cx, STATUS_BAD_DATA, "the key 'query_pre_attn_scalar' is missing");
    TRY(check_sizes(cx, c));
    const char *activation = *r->activation ? r->activation : "silu";
    if (a->gemma) activation = *r->gemma_activation ? r->gemma_activation : "gelu_pytorch_tanh";
    TRY(set_activation(cx, activation, &c->activation));
    TRY(set_rope(cx, r->rope_type, c, &c->rope));
    return set_window(cx, r);
}

static status read_config(context *cx, reading *r) {
    TRY(read_object(r, config_fields, config_special));
    TRY(json_finish(r->j));
    return complete(cx, r);
}

status model_config_read(context *cx, const char *name, const char *text, int64_t size_bytes,
                         model_config *out) {
    memset(out, 0, sizeof *out);
    out->norm_epsilon = 1e-6;
    out->begin_token = out->pad_token = -1;
    out->temperature = out->top_p = out->repetition_penalty = 1;
    out->rope.theta = 10000;
    out->rope.rotated = 1;
    out->rope.beta_fast = 32;
    out->rope.beta_slow = 1;
    json j = json_make(cx, name, text, size_bytes, NULL);
    reading r = {.config = out, .j = &j};
    status st = read_config(cx, &r);
    json_free(&j);
    return st == STATUS_OK ? st : context_note(cx, st, "model configuration '%s'", name);
}

status model_generation_read(context *cx, const char *name, const char *text, int64_t size_bytes,
                             model_config *config) {
    json j = json_make(cx, name, text, size_bytes, NULL);
    reading r = {.config = config, .j = &j};
    status st = read_object(&r, generation_fields, generation_special);
    if (st == STATUS_OK) st = json_finish(&j);
    json_free(&j);
    return st == STATUS_OK ? st : context_note(cx, st, "generation configuration '%s'", name);
}
