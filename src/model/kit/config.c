/* Reading is by tables. The type comes first, wherever it stands in the text, since it decides the
 * defaults and the keys that are known. */
#include "base/hash.h"
#include "base/json.h"
#include "model/kit/model.h"
#include <stdio.h>
#include <string.h>

typedef struct reading {
    model_config *config;
    json *j;
    const model_def *def;
    const model_variant *variant;
    int64_t listed_layers;
} reading;

typedef status special_key(reading *r, json_text key, bool *done);

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

static status read_activation(json *j, model_activation *out) {
    static const struct {
        const char *name;
        model_activation activation;
    } table[] = {{"silu", MODEL_SILU},
                 {"swish", MODEL_SILU},
                 {"gelu", MODEL_GELU},
                 {"gelu_new", MODEL_GELU_TANH},
                 {"gelu_fast", MODEL_GELU_TANH},
                 {"gelu_pytorch_tanh", MODEL_GELU_TANH},
                 {"relu", MODEL_RELU}};
    char name[32];
    TRY(read_name(j, name, sizeof name));
    for (int64_t i = 0; i < COUNT_OF(table); i++) {
        if (strcmp(name, table[i].name)) continue;
        *out = table[i].activation;
        return STATUS_OK;
    }
    return json_fail(j, STATUS_UNSUPPORTED, "the activation '%s' is not supported", name);
}

/* A number, or a bool as 0 or 1, that must be what the key's rule says. */
static status read_must(json *j, const model_key *k) {
    json_token token;
    TRY(json_next(j, &token));
    double is = token.kind == JSON_BOOL ? token.truth : token.number;
    if ((token.kind == JSON_BOOL || token.kind == JSON_NUMBER) && is == k->low) return STATUS_OK;
    return json_fail(j, STATUS_UNSUPPORTED, "only the value %g is supported", k->low);
}

static status read_key(json *j, const model_key *k, model_config *c) {
    void *place = (char *)c + k->offset;
    switch (k->kind) {
    case MODEL_KEY_INTEGER:
        return json_integer(j, (int64_t)k->low, (int64_t)k->high, place);
    case MODEL_KEY_NUMBER:
        return json_number(j, k->low, k->high, place);
    case MODEL_KEY_BOOL:
        return json_bool(j, place);
    case MODEL_KEY_NAME:
        return read_name(j, place, (size_t)k->high);
    case MODEL_KEY_ACTIVATION:
        return read_activation(j, place);
    case MODEL_KEY_MUST:
        return read_must(j, k);
    case MODEL_KEY_END:
    case MODEL_KEY_IGNORED:
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

/* One item a layer, given to `take`; their number must be that of the layers, known at the end. */
static status read_layers(reading *r, status (*take)(reading *, int64_t layer)) {
    TRY(json_enter_array(r->j));
    for (int64_t layer = 0;; layer++) {
        bool more;
        TRY(json_next_item(r->j, &more));
        r->listed_layers = layer;
        if (!more) return STATUS_OK;
        if (layer == MODEL_MOST_LAYERS)
            return json_fail(r->j, STATUS_UNSUPPORTED, "more than %d layers",
                             (int)MODEL_MOST_LAYERS);
        TRY(take(r, layer));
    }
}

static status take_layer_type(reading *r, int64_t layer) {
    char name[32];
    TRY(read_name(r->j, name, sizeof name));
    r->config->slides[layer] = !strcmp(name, "sliding_attention");
    if (r->config->slides[layer] || !strcmp(name, "full_attention")) return STATUS_OK;
    return json_fail(r->j, STATUS_UNSUPPORTED, "the layer type '%s' is not supported", name);
}

static status take_turning(reading *r, int64_t layer) {
    int64_t turns;
    TRY(json_integer(r->j, 0, 1, &turns));
    r->config->still[layer] = !turns;
    return STATUS_OK;
}

/* The first class must be one of the type's. */
static status read_classes(reading *r) {
    char name[64];
    bool more, known = false;
    TRY(json_enter_array(r->j));
    TRY(json_next_item(r->j, &more));
    if (!more) return STATUS_OK;
    TRY(read_name(r->j, name, sizeof name));
    for (int64_t i = 0; i < COUNT_OF(r->variant->classes) && r->variant->classes[i]; i++)
        known |= !strcmp(name, r->variant->classes[i]);
    if (!known)
        return json_fail(r->j, STATUS_UNSUPPORTED,
                         "the architecture '%s' is not supported for a model of type '%s'", name,
                         r->config->model_type);
    TRY(json_next_item(r->j, &more));
    return more ? json_fail(r->j, STATUS_UNSUPPORTED, "two architectures") : STATUS_OK;
}

static status read_object(reading *r, const model_key *own, const model_key *shared,
                          special_key *special);

static status read_rope_type(reading *r) {
    char name[16];
    model_rope *rope = &r->config->rope;
    TRY(read_name(r->j, name, sizeof name));
    if (!strcmp(name, "su")) strcpy(name, model_rope_names[MODEL_ROPE_LONG]);
    for (int32_t i = 0; i < MODEL_ROPE_TYPES; i++) {
        if (strcmp(name, model_rope_names[i])) continue;
        rope->type = (model_rope_type)i;
        return STATUS_OK;
    }
    return json_fail(r->j, STATUS_UNSUPPORTED, "the rope type '%s' is not supported", name);
}

static status read_factors(reading *r, double *out, int64_t *count) {
    TRY(json_enter_array(r->j));
    for (*count = 0;;) {
        bool more;
        TRY(json_next_item(r->j, &more));
        if (!more) return STATUS_OK;
        if (*count == MODEL_MOST_FREQUENCIES)
            return json_fail(r->j, STATUS_UNSUPPORTED, "more than %d factors",
                             (int)MODEL_MOST_FREQUENCIES);
        TRY(json_number(r->j, 1e-6, 1e9, &out[(*count)++]));
    }
}

static status rope_special(reading *r, json_text key, bool *done);

/* Sliding layers may have a theta of their own, and no scaling. */
static status read_local_rope(reading *r) {
    model_config *c = r->config, local = {0};
    r->config = &local;
    status st = read_object(r, NULL, model_rope_keys, rope_special);
    r->config = c;
    TRY(st);
    c->local_theta = local.rope.theta;
    if (local.rope.type == MODEL_ROPE_PLAIN && local.rope.theta > 0) return STATUS_OK;
    return json_fail(r->j, STATUS_UNSUPPORTED, "sliding layers turn without scaling");
}

static status rope_special(reading *r, json_text key, bool *done) {
    model_rope *rope = &r->config->rope;
    *done = true;
    if (json_is(key, "full_attention")) return read_object(r, NULL, model_rope_keys, rope_special);
    if (json_is(key, "sliding_attention")) return read_local_rope(r);
    if (json_is(key, "rope_type") || json_is(key, "type")) return read_rope_type(r);
    if (json_is(key, "short_factor"))
        return read_factors(r, rope->short_factors, &rope->short_count);
    if (json_is(key, "long_factor")) return read_factors(r, rope->long_factors, &rope->long_count);
    *done = false;
    return STATUS_OK;
}

static status generation_special(reading *r, json_text key, bool *done) {
    *done = json_is(key, "eos_token_id");
    return *done ? read_end_tokens(r) : STATUS_OK;
}

static status config_special(reading *r, json_text key, bool *done) {
    *done = true;
    if (json_is(key, "architectures")) return read_classes(r);
    if (json_is(key, "eos_token_id")) return read_end_tokens(r);
    if (json_is(key, "layer_types")) {
        r->config->slides_listed = true;
        return read_layers(r, take_layer_type);
    }
    if (json_is(key, "no_rope_layers")) {
        r->config->still_listed = true;
        return read_layers(r, take_turning);
    }
    if (json_is(key, "rope_scaling") || json_is(key, "rope_parameters"))
        return read_object(r, NULL, model_rope_keys, rope_special);
    if (json_is(key, "quantization_config")) return packed_recipe_read(r->j, &r->config->packed);
    if (json_is(key, "use_sliding_window")) {
        bool on;
        TRY(json_bool(r->j, &on));
        r->config->window_off = !on;
        return STATUS_OK;
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

static const model_key *find_key(const model_key *keys, json_text key) {
    while (keys && keys->key && !json_is(key, keys->key)) keys++;
    return keys && keys->key ? keys : NULL;
}

/* The keys of one object, by hash. */
typedef struct seen_keys {
    uint64_t hash[256];
    int32_t count;
} seen_keys;

/* A key that comes twice would leave open which value holds. */
static status see_key(json *j, seen_keys *seen, json_text key) {
    uint64_t hash = hash_xxh64(key.bytes, (size_t)key.length, 0);
    for (int32_t i = 0; i < seen->count; i++)
        if (seen->hash[i] == hash)
            return json_fail(j, STATUS_BAD_DATA, "the key '%.*s' comes twice",
                             (int)MIN_OF(key.length, 60), key.bytes);
    if (seen->count == COUNT_OF(seen->hash))
        return json_fail(j, STATUS_UNSUPPORTED, "more than %d keys", (int)COUNT_OF(seen->hash));
    seen->hash[seen->count++] = hash;
    return STATUS_OK;
}

static status read_object(reading *r, const model_key *own, const model_key *shared,
                          special_key *special) {
    seen_keys seen;
    seen.count = 0;
    TRY(json_enter_object(r->j));
    for (;;) {
        json_text key;
        json_kind kind;
        bool more, done;
        TRY(json_next_key(r->j, &more, &key));
        if (!more) return STATUS_OK;
        TRY(see_key(r->j, &seen, key));
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)MIN_OF(key.length, 60), key.bytes);
        TRY(json_peek(r->j, &kind));
        if (kind == JSON_NULL) {
            TRY(json_skip(r->j));
            continue;
        }
        const model_key *k = find_key(own, key);
        if (!k) {
            TRY_NOTE(r->j->cx, special(r, key, &done), "'%s'", name);
            if (done) continue;
            k = find_key(shared, key);
        }
        if (!k) return json_fail(r->j, STATUS_UNSUPPORTED, "the key '%s' is not known", name);
        TRY_NOTE(r->j->cx, read_key(r->j, k, r->config), "'%s'", name);
    }
}

/* The whole text for its `model_type` alone. */
static status read_type(json *j, char *out, size_t room) {
    json_text key;
    *out = 0;
    TRY(json_enter_object(j));
    for (bool more;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        if (json_is(key, "model_type"))
            TRY_NOTE(j->cx, read_name(j, out, room), "'model_type'");
        else
            TRY(json_skip(j));
    }
    TRY(json_finish(j));
    if (!*out) FAIL(j->cx, STATUS_BAD_DATA, "the key 'model_type' is missing");
    return STATUS_OK;
}

static status complete_rope(context *cx, model_config *c) {
    model_rope *rope = &c->rope;
    const char *name = model_rope_names[rope->type];
    if (!rope->original_positions) rope->original_positions = c->positions;
    if (rope->type == MODEL_ROPE_LONG) {
        int64_t pairs = (int64_t)((double)c->head_size * rope->rotated) / 2;
        if (rope->short_count != pairs || rope->long_count != pairs)
            FAIL(cx, STATUS_BAD_DATA, "rope 'longrope' needs %lld factors, not %lld and %lld",
                 (long long)pairs, (long long)rope->short_count, (long long)rope->long_count);
    }
    bool by_positions = rope->type == MODEL_ROPE_LONG || rope->type == MODEL_ROPE_YARN;
    if (rope->factor == 0 && by_positions)
        rope->factor = (double)c->positions / (double)rope->original_positions;
    if (rope->type && rope->factor == 0) FAIL(cx, STATUS_BAD_DATA, "rope '%s' has no factor", name);
    if (rope->type == MODEL_ROPE_LLAMA3 &&
        !(rope->low_factor > 0 && rope->high_factor > rope->low_factor))
        FAIL(cx, STATUS_BAD_DATA, "rope 'llama3' needs 0 < low_freq_factor < high_freq_factor");
    if (rope->factor == 0) rope->factor = 1;
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

/* Which layers slide and which do without rope: as listed, or by rule. */
static void complete_layers(model_config *c) {
    bool any = false;
    if (c->window_off) c->window = 0;
    for (int64_t i = 0; i < c->layers; i++) {
        bool whole = c->window_every && !((i + 1) % c->window_every);
        if (!c->slides_listed) c->slides[i] = i >= c->window_from && !whole;
        if (!c->still_listed) c->still[i] = c->rope_every && !((i + 1) % c->rope_every);
        c->slides[i] = c->slides[i] && c->window > 0;
        any |= c->slides[i];
    }
    if (!any) c->window = 0;
}

status model_config_complete(context *cx, model_config *c) {
    const model_def *def = model_find(c->model_type, NULL);
    if (def && def->complete) TRY(def->complete(cx, c));
    TRY(check_sizes(cx, c));
    complete_layers(c);
    return complete_rope(cx, c);
}

status model_config_start(context *cx, const char *model_type, model_config *out) {
    const model_variant *variant;
    memset(out, 0, sizeof *out);
    if (!model_find(model_type, &variant))
        FAIL(cx, STATUS_UNSUPPORTED, "the architecture '%s' is not supported", model_type);
    snprintf(out->model_type, sizeof out->model_type, "%s", model_type);
    out->norm_epsilon = 1e-6;
    out->initializer_range = 0.02;
    out->begin_token = out->pad_token = -1;
    out->temperature = out->top_p = out->repetition_penalty = 1;
    out->rope.theta = 10000;
    out->rope.rotated = 1;
    out->rope.beta_fast = 32;
    out->rope.beta_slow = 1;
    out->rope.whole_bounds = true;
    if (variant->defaults) variant->defaults(out);
    return STATUS_OK;
}

static status read_config(context *cx, reading *r, const char *name, const char *text,
                          int64_t size_bytes) {
    char type[32];
    TRY(read_type(r->j, type, sizeof type));
    TRY(model_config_start(cx, type, r->config));
    r->def = model_find(type, &r->variant);
    json_restart(r->j, name, text, size_bytes);
    TRY(read_object(r, r->def->keys, model_shared_keys, config_special));
    TRY(model_config_complete(cx, r->config));
    const model_config *c = r->config;
    if ((c->slides_listed || c->still_listed) && r->listed_layers != c->layers)
        FAIL(cx, STATUS_BAD_DATA, "'%s' names %lld layers of %lld",
             c->slides_listed ? "layer_types" : "no_rope_layers", (long long)r->listed_layers,
             (long long)c->layers);
    return STATUS_OK;
}

status model_config_read(context *cx, const char *name, const char *text, int64_t size_bytes,
                         model_config *out) {
    json j = json_make(cx, name, text, size_bytes, NULL);
    reading r = {.config = out, .j = &j};
    status st = read_config(cx, &r, name, text, size_bytes);
    json_free(&j);
    return st == STATUS_OK ? st : context_note(cx, st, "model configuration '%s'", name);
}

status model_generation_read(context *cx, const char *name, const char *text, int64_t size_bytes,
                             model_config *config) {
    json j = json_make(cx, name, text, size_bytes, NULL);
    reading r = {.config = config, .j = &j};
    status st = read_object(&r, NULL, model_generation_keys, generation_special);
    if (st == STATUS_OK) st = json_finish(&j);
    json_free(&j);
    return st == STATUS_OK ? st : context_note(cx, st, "generation configuration '%s'", name);
}
