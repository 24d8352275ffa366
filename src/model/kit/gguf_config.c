/* Metadata as a description and back: keys `ARCH.key`, one table for both ways. GGUF says `llama` for mistral,
 * whose graph is the same, and for mixtral, which has experts. It leaves out what its readers hold by heart:
 * Gemma's attention scale, which follows from the size, and biases, which the tensors tell. Llama 3's rope
 * comes as a tensor of factors; so do dynamic factors, fixed by the context. */
#include "model/kit/gguf_names.h"
#include "model/kit/rope_frequencies.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KEY_BYTES = 160, GEMMA2_27B_LAYERS = 46, GEMMA3_27B_LAYERS = 62 };

static const model_key keys[] = {
    MODEL_INTEGER("block_count", layers, 1, MODEL_MOST_LAYERS),
    MODEL_INTEGER("embedding_length", hidden, 1, 1 << 20),
    MODEL_INTEGER("attention.head_count", heads, 1, 1 << 16),
    MODEL_INTEGER("attention.head_count_kv", kv_heads, 1, 1 << 16),
    MODEL_INTEGER("attention.key_length", head_size, 1, 1 << 16),
    MODEL_INTEGER("feed_forward_length", intermediate, 1, 1 << 24),
    MODEL_INTEGER("context_length", positions, 1, 1 << 30),
    MODEL_INTEGER("vocab_size", vocabulary, 1, 1 << 28),
    MODEL_INTEGER("expert_count", experts, 0, 1 << 16),
    MODEL_INTEGER("expert_used_count", experts_per_token, 0, 1 << 16),
    MODEL_INTEGER("expert_feed_forward_length", expert_intermediate, 0, 1 << 24),
    MODEL_INTEGER("expert_shared_feed_forward_length", shared_intermediate, 0, 1 << 24),
    MODEL_INTEGER("attention.sliding_window", window, 0, 1 << 30),
    MODEL_BOOL("use_parallel_residual", parallel),
    MODEL_NUMBER("attention.layer_norm_rms_epsilon", norm_epsilon, 0, 1),
    MODEL_NUMBER("attention.layer_norm_epsilon", norm_epsilon, 0, 1),
    MODEL_NUMBER("rope.freq_base", rope.theta, 1, 1e15),
    MODEL_NUMBER("rope.freq_base_swa", local_theta, 1, 1e15),
    MODEL_NUMBER("attn_logit_softcapping", attention_cap, 0, 1e6),
    MODEL_NUMBER("final_logit_softcapping", output_cap, 0, 1e6),
    {0},
};

static const model_key rope_keys[] = {
    MODEL_NUMBER("rope.scaling.factor", rope.factor, 0, 1e6),
    MODEL_INTEGER("rope.scaling.original_context_length", rope.original_positions, 1, 1 << 30),
    MODEL_NUMBER("rope.scaling.attn_factor", rope.attention_factor, 0, 1e6),
    MODEL_NUMBER("rope.scaling.yarn_beta_fast", rope.beta_fast, 0, 1e6),
    MODEL_NUMBER("rope.scaling.yarn_beta_slow", rope.beta_slow, 0, 1e6),
    {0},
};

/* ---- reading ---- */

typedef struct gguf_reading {
    context *cx;
    const gguf *g;
    gguf_string arch;
    model_config *config;
    char key[KEY_BYTES];
} gguf_reading;

static bool is_text(gguf_string text, const char *literal) {
    return text.length == (int64_t)strlen(literal) &&
           !memcmp(text.bytes, literal, (size_t)text.length);
}

/* Makes `ARCH.key` and says whether the file has it. */
static bool has(gguf_reading *r, const char *key) {
    snprintf(r->key, sizeof r->key, "%.*s.%s", (int)MIN_OF(r->arch.length, 60), r->arch.bytes, key);
    return gguf_find(r->g, r->key) != NULL;
}

static status read_keys(gguf_reading *r, const model_key *k) {
    for (; k->key; k++) {
        char *place = (char *)r->config + k->offset;
        if (!has(r, k->key)) continue;
        if (k->kind == MODEL_KEY_INTEGER) {
            TRY(gguf_integer(r->g, r->key, (int64_t)k->low, (int64_t)k->high, (int64_t *)place));
        } else if (k->kind == MODEL_KEY_BOOL) {
            if (gguf_find(r->g, r->key)->type != GGUF_BOOL)
                FAIL(r->cx, STATUS_BAD_DATA, "'%s' is no bool", r->key);
            *(bool *)place = gguf_find(r->g, r->key)->integer != 0;
        } else {
            TRY(gguf_number(r->g, r->key, (double *)place));
            if (!(*(double *)place >= k->low && *(double *)place <= k->high))
                FAIL(r->cx, STATUS_BAD_DATA, "'%s' is %g, but lies in %g..%g", r->key,
                     *(double *)place, k->low, k->high);
        }
    }
    return STATUS_OK;
}

/* A tensor of rope factors, one a pair; *count 0 where the file has none. */
static status read_factors(gguf_reading *r, const char *name, double *out, int64_t *count) {
    const gguf_tensor *t = gguf_find_tensor(r->g, name);
    *count = 0;
    if (!t) return STATUS_OK;
    const num_format *f = num_find(t->dtype->name);
    if (t->n_dims != 1 || t->shape[0] > MODEL_MOST_FREQUENCIES || !f || f->kind != NUM_FLOAT)
        FAIL(r->cx, STATUS_UNSUPPORTED, "tensor '%s' is no list of up to %d factors", name,
             (int)MODEL_MOST_FREQUENCIES);
    *count = t->shape[0];
    num_unpack_f64(f, t->data, 0, *count, out);
    for (int64_t i = 0; i < *count; i++)
        if (!(out[i] > 0)) FAIL(r->cx, STATUS_BAD_DATA, "tensor '%s' holds %g", name, out[i]);
    return STATUS_OK;
}

static status read_rope(gguf_reading *r) {
    model_rope *rope = &r->config->rope;
    gguf_string type = {"none", 4};
    int64_t turning;
    if (has(r, "rope.scaling.type")) TRY(gguf_text(r->g, r->key, &type));
    if (has(r, "rope.dimension_count")) {
        TRY(gguf_integer(r->g, r->key, 0, r->config->head_size, &turning));
        rope->rotated = (double)turning / (double)r->config->head_size;
    }
    for (int32_t i = 0; i < MODEL_ROPE_TYPES; i++)
        if (is_text(type, model_rope_names[i])) rope->type = (model_rope_type)i;
    if (!rope->type && !is_text(type, "none") && !is_text(type, model_rope_names[0]))
        FAIL(r->cx, STATUS_UNSUPPORTED, "the rope type '%.*s' is not supported",
             (int)MIN_OF(type.length, 40), type.bytes);
    TRY(read_keys(r, rope_keys));
    TRY(read_factors(r, "rope_factors_short.weight", rope->short_factors, &rope->short_count));
    TRY(read_factors(r, "rope_factors_long.weight", rope->long_factors, &rope->long_count));
    if (rope->short_count) rope->type = MODEL_ROPE_LONG;
    if (!gguf_find_tensor(r->g, "rope_freqs.weight")) return STATUS_OK;
    rope->type = MODEL_ROPE_LONG;
    rope->attention_factor = 1;
    TRY(read_factors(r, "rope_freqs.weight", rope->short_factors, &rope->short_count));
    return read_factors(r, "rope_freqs.weight", rope->long_factors, &rope->long_count);
}

static void read_query_scale(gguf_reading *r) {
    model_config *c = r->config;
    bool second = !strcmp(c->model_type, "gemma2"), third = !strcmp(c->model_type, "gemma3_text");
    double scale;
    if (has(r, "attention.scale") && gguf_number(r->g, r->key, &scale) == STATUS_OK && scale > 0)
        c->query_scale = llround(1 / (scale * scale));
    else if ((second && c->layers == GEMMA2_27B_LAYERS) ||
             (third && c->layers == GEMMA3_27B_LAYERS))
        c->query_scale = c->hidden / c->heads;
    else if (second || third)
        c->query_scale = c->head_size;
}

/* Which layers slide, where the file lists them. */
static status read_windows(gguf_reading *r) {
    model_config *c = r->config;
    const gguf_value *list;
    if (!has(r, "attention.sliding_window_pattern")) return STATUS_OK;
    c->window_off = false;
    if (gguf_find(r->g, r->key)->type != GGUF_ARRAY)
        return gguf_integer(r->g, r->key, 1, MODEL_MOST_LAYERS, &c->window_every);
    TRY(gguf_array(r->g, r->key, GGUF_BOOL, &list));
    if (list->count != c->layers)
        FAIL(r->cx, STATUS_BAD_DATA, "'%s' lists %lld layers of %lld", r->key,
             (long long)list->count, (long long)c->layers);
    c->slides_listed = true;
    for (int64_t i = 0; i < c->layers; i++) c->slides[i] = gguf_item(list, i).integer != 0;
    return STATUS_OK;
}

enum { GGUF_POOL_MEAN = 1, GGUF_POOL_FIRST = 2 };

static status read_pooling(gguf_reading *r) {
    int64_t kind;
    if (!r->config->encoder || !has(r, "pooling_type")) return STATUS_OK;
    TRY(gguf_integer(r->g, r->key, 0, 16, &kind));
    if (kind != GGUF_POOL_MEAN && kind != GGUF_POOL_FIRST)
        FAIL(r->cx, STATUS_UNSUPPORTED, "'%s' %lld is not supported", r->key, (long long)kind);
    r->config->pooling = kind == GGUF_POOL_FIRST ? MODEL_POOL_FIRST : MODEL_POOL_MEAN;
    r->config->normalize_embeddings = true;
    return STATUS_OK;
}

/* What the tensors tell. */
static void read_tensors(gguf_reading *r) {
    model_config *c = r->config;
    const gguf_tensor *table = gguf_find_tensor(r->g, "token_embd.weight");
    const gguf_value *tokens = gguf_find(r->g, "tokenizer.ggml.tokens");
    if (table && table->n_dims == 2)
        c->vocabulary = table->shape[1];
    else if (!c->vocabulary && tokens && tokens->type == GGUF_ARRAY)
        c->vocabulary = tokens->count;
    c->tied = r->g->n_tensors && !gguf_find_tensor(r->g, "output.weight");
    if (!r->g->n_tensors) return;
    const gguf_tensor *types = gguf_find_tensor(r->g, "token_types.weight");
    if (types) c->token_types = types->n_dims == 2 ? types->shape[1] : 1;
    c->attention_bias = gguf_find_tensor(r->g, "blk.0.attn_q.bias") != NULL ||
                        gguf_find_tensor(r->g, "blk.0.attn_qkv.bias") != NULL;
    c->output_bias = gguf_find_tensor(r->g, "blk.0.attn_output.bias") != NULL;
    c->mlp_bias = gguf_find_tensor(r->g, "blk.0.ffn_down.bias") != NULL;
}

static status read_tokens(gguf_reading *r) {
    static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    model_config *c = r->config;
    if (gguf_find(r->g, "tokenizer.ggml.bos_token_id"))
        TRY(gguf_integer(r->g, "tokenizer.ggml.bos_token_id", 0, INT32_MAX, &c->begin_token));
    if (gguf_find(r->g, "tokenizer.ggml.padding_token_id"))
        TRY(gguf_integer(r->g, "tokenizer.ggml.padding_token_id", 0, INT32_MAX, &c->pad_token));
    for (int64_t i = 0; i < COUNT_OF(ends); i++)
        if (gguf_find(r->g, ends[i]))
            TRY(gguf_integer(r->g, ends[i], 0, INT32_MAX, &c->end_tokens[c->end_token_count++]));
    return STATUS_OK;
}

/* The model type of an architecture of GGUF; the first of those that share its name, unless there
 * are experts. */
static const char *type_of_arch(gguf_reading *r) {
    int64_t experts = 0;
    if (is_text(r->arch, "llama") && has(r, "expert_count") &&
        gguf_integer(r->g, r->key, 1, INT32_MAX, &experts) == STATUS_OK)
        return "mixtral";
    context_clear(r->cx);
    for (int64_t i = 0; registry_model[i]; i++)
        for (const model_variant *v = registry_model[i]->variants; v->model_type; v++)
            if (v->gguf && is_text(r->arch, v->gguf)) return v->model_type;
    return NULL;
}

/* Whether YaRN's bounds are rounded to whole pairs: gpt-oss' are not, and no key says so. */
static bool bounds_assumed(const model_config *c) {
    return strcmp(c->model_type, "gpt_oss") != 0;
}

static status read_all(gguf_reading *r) {
    TRY(gguf_text(r->g, "general.architecture", &r->arch));
    const char *type = type_of_arch(r);
    if (!type)
        FAIL(r->cx, STATUS_UNSUPPORTED, "the architecture '%.*s' is not supported",
             (int)MIN_OF(r->arch.length, 60), r->arch.bytes);
    TRY(model_config_start(r->cx, type, r->config));
    TRY(read_keys(r, keys));
    if (r->config->heads && !has(r, "attention.key_length"))
        r->config->head_size =
            r->config->head_size ? r->config->head_size : r->config->hidden / r->config->heads;
    read_query_scale(r);
    read_tensors(r);
    TRY(read_windows(r));
    TRY(read_pooling(r));
    TRY(read_tokens(r));
    TRY(read_rope(r));
    r->config->normalize_experts |= is_text(r->arch, "qwen3moe");
    r->config->rope.whole_bounds = bounds_assumed(r->config);
    return model_config_complete(r->cx, r->config);
}

status gguf_config_read(context *cx, const char *name, const gguf *g, model_config *out) {
    gguf_reading r = {.cx = cx, .g = g, .config = out};
    status st = read_all(&r);
    return st == STATUS_OK ? st : context_note(cx, st, "metadata of '%s'", name);
}

/* ---- writing ---- */

gguf_pair *gguf_pair_add(gguf_pairs *p, const char *key) {
    gguf_pair *pair = p->count < GGUF_MOST_PAIRS ? &p->items[p->count] : NULL;
    char *name = pair ? arena_printf(p->memory, "%s", key) : NULL;
    if (!name) {
        p->st = STATUS_NO_MEMORY;
        return &p->items[0];
    }
    p->count++;
    *pair = (gguf_pair){.key = name};
    return pair;
}

static void put_integer(gguf_pairs *p, const char *key, int64_t x) {
    gguf_pair_add(p, key)->value = (gguf_value){.type = GGUF_U32, .integer = x};
}

static void put_number(gguf_pairs *p, const char *key, double x) {
    gguf_pair_add(p, key)->value = (gguf_value){.type = GGUF_F32, .number = x};
}

static void put_text(gguf_pairs *p, const char *key, const char *text) {
    gguf_pair_add(p, key)->value =
        (gguf_value){.type = GGUF_STRING, .text = {text, (int64_t)strlen(text)}};
}

/* Whether the architecture has a key of its own for the field. */
static bool is_own(const model_def *def, const model_key *k) {
    for (const model_key *own = def->keys; own && own->key; own++)
        if (own->kind == k->kind && own->offset == k->offset) return true;
    return false;
}

static void put_keys(gguf_pairs *p, const char *arch, const model_def *def, const model_config *c,
                     const model_key *k) {
    for (; k->key; k++) {
        char key[KEY_BYTES];
        const char *place = (const char *)c + k->offset;
        bool of_rope = k->offset >= offsetof(model_config, rope) &&
                       k->offset < offsetof(model_config, rope) + sizeof(model_rope);
        if (of_rope && !def->turns) continue;
        if (strstr(k->key, def->layer_norms ? "rms_epsilon" : "norm_epsilon")) continue;
        snprintf(key, sizeof key, "%s.%s", arch, k->key);
        if (k->kind == MODEL_KEY_INTEGER && *(const int64_t *)place)
            put_integer(p, key, *(const int64_t *)place);
        if (k->kind == MODEL_KEY_NUMBER && *(const double *)place != 0)
            put_number(p, key, *(const double *)place);
        if (k->kind == MODEL_KEY_BOOL && is_own(def, k))
            gguf_pair_add(p, key)->value =
                (gguf_value){.type = GGUF_BOOL, .integer = *(const bool *)place};
    }
}

/* What GGUF has no key for must be what its readers take for granted. */
static status check_said(context *cx, const model_config *c) {
    model_config assumed;
    TRY(model_config_start(cx, c->model_type, &assumed));
    for (int64_t i = 0; i < c->layers; i++)
        if (c->still[i] != (assumed.rope_every && !((i + 1) % assumed.rope_every)))
            FAIL(cx, STATUS_UNSUPPORTED,
                 "GGUF cannot say that layer %lld does %s rope in a model of type '%s'",
                 (long long)i, c->still[i] ? "without" : "with", c->model_type);
    if (c->gate_limit != assumed.gate_limit)
        FAIL(cx, STATUS_UNSUPPORTED, "GGUF cannot say that gates are clamped at %g instead of %g",
             c->gate_limit, assumed.gate_limit);
    if (c->rope.type == MODEL_ROPE_YARN && c->rope.whole_bounds != bounds_assumed(c))
        FAIL(cx, STATUS_UNSUPPORTED, "GGUF cannot say that YaRN's bounds are%s rounded",
             c->rope.whole_bounds ? "" : " not");
    model_config usual = *c;
    usual.rope.attention_factor = usual.rope.mscale = 0;
    if (c->rope.type == MODEL_ROPE_YARN &&
        fabs(rope_scale(c, false) - rope_scale(&usual, false)) > 1e-6)
        FAIL(cx, STATUS_UNSUPPORTED,
             "GGUF cannot say that YaRN scales attention by %g instead of %g", rope_scale(c, false),
             rope_scale(&usual, false));
    if (c->activation != assumed.activation)
        FAIL(cx, STATUS_UNSUPPORTED,
             "GGUF cannot say that a model of type '%s' has another activation than usual",
             c->model_type);
    return STATUS_OK;
}

bool gguf_rope_is_one_list(const model_config *c) {
    const model_rope *r = &c->rope;
    return r->type == MODEL_ROPE_LONG && strcmp(c->model_type, "phi3") != 0 &&
           rope_scale(c, false) == 1 && r->short_count == r->long_count &&
           !memcmp(r->short_factors, r->long_factors, (size_t)r->short_count * sizeof(double));
}

static void put_rope(gguf_pairs *p, const char *arch, const model_def *def, const model_config *c) {
    char key[KEY_BYTES];
    const model_rope *rope = &c->rope;
    snprintf(key, sizeof key, "%s.rope.dimension_count", arch);
    put_integer(p, key, rope_rotary(c));
    bool two_lists = rope->type == MODEL_ROPE_LONG && !gguf_rope_is_one_list(c);
    if (rope->type != MODEL_ROPE_LINEAR && rope->type != MODEL_ROPE_YARN && !two_lists) return;
    snprintf(key, sizeof key, "%s.rope.scaling.type", arch);
    put_text(p, key, model_rope_names[rope->type]);
    if (!two_lists) {
        put_keys(p, arch, def, c, rope_keys);
        return;
    }
    /* No factor: llama.cpp would divide positions by it as well. */
    snprintf(key, sizeof key, "%s.rope.scaling.original_context_length", arch);
    put_integer(p, key, rope->original_positions);
    snprintf(key, sizeof key, "%s.rope.scaling.attn_factor", arch);
    put_number(p, key, rope_scale(c, false));
}

status gguf_config_write(context *cx, gguf_pairs *p, const model_config *c) {
    TRY(check_said(cx, c));
    char key[KEY_BYTES];
    const model_variant *v;
    const model_def *def = model_find(c->model_type, &v);
    put_text(p, "general.architecture", v->gguf);
    put_keys(p, v->gguf, def, c, keys);
    snprintf(key, sizeof key, "%s.attention.value_length", v->gguf);
    put_integer(p, key, c->head_size);
    if (c->query_scale) {
        snprintf(key, sizeof key, "%s.attention.scale", v->gguf);
        put_number(p, key, 1 / sqrt((double)c->query_scale));
    }
    if (c->window) {
        snprintf(key, sizeof key, "%s.attention.sliding_window_pattern", v->gguf);
        gguf_pair_add(p, key)->value = (gguf_value){
            .type = GGUF_ARRAY, .item_type = GGUF_BOOL, .count = c->layers, .items = c->slides};
    }
    if (c->encoder) {
        snprintf(key, sizeof key, "%s.pooling_type", v->gguf);
        put_integer(p, key, c->pooling == MODEL_POOL_FIRST ? GGUF_POOL_FIRST : GGUF_POOL_MEAN);
        snprintf(key, sizeof key, "%s.attention.causal", v->gguf);
        gguf_pair_add(p, key)->value = (gguf_value){.type = GGUF_BOOL, .integer = 0};
        put_integer(p, "tokenizer.ggml.token_type_count", c->token_types);
    }
    if (def->turns) put_rope(p, v->gguf, def, c);
    return p->st;
}
