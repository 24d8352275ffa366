/* Reading `quantization_config`. Keys that only tell how the codes were found are passed over; keys that
 * change what they mean are read; any other is refused. */
#include "store/packed.h"
#include <stdio.h>
#include <string.h>

typedef enum place { TOP, GROUPS, GROUP, WEIGHTS, SPARSITY } place;

typedef struct reading {
    json *j;
    packed_recipe *out;
    bool has_bits, has_group, zero_point, sparse;
    int64_t config_groups;
    char method[32], version[32];
} reading;

static const char *const passed_over[][48] = {
    [TOP] = {"desc_act",
             "static_groups",
             "true_sequential",
             "damp_percent",
             "damp_auto_increment",
             "model_name_or_path",
             "model_file_base_name",
             "model_seqlen",
             "meta",
             "lm_head",
             "dataset",
             "tokenizer",
             "batch_size",
             "block_name_to_quantize",
             "cache_block_outputs",
             "modules_in_block_to_quantize",
             "module_name_preceding_first_block",
             "pad_token_id",
             "use_cuda_fp16",
             "use_exllama",
             "disable_exllama",
             "exllama_config",
             "max_input_length",
             "quantizer",
             "mse",
             "act_group_aware",
             "backend",
             "do_fuse",
             "fuse_max_seq_len",
             "modules_to_fuse",
             "modules_to_not_convert",
             "global_compression_ratio",
             "ignore",
             "quantization_status",
             "hyb_act",
             "rotation",
             "offload_to_disk",
             "vram_strategy",
             "uuid",
             NULL},
    [GROUP] = {"targets", NULL},
    [WEIGHTS] = {"actorder", "observer", "observer_kwargs", "scale_dtype", "zp_dtype", NULL},
    [SPARSITY] = {"registry_requires_subclass", "sparsity_structure", "targets", "ignore",
                  "global_sparsity", NULL},
};

static status read_place(reading *r, place at);

static status read_word(reading *r, char *out, size_t room) {
    json_text text;
    TRY(json_string(r->j, &text));
    snprintf(out, room, "%.*s", (int)MIN_OF(text.length, (int64_t)room - 1), text.bytes);
    for (char *c = out; *c; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
    return STATUS_OK;
}

/* A text that must be one of `allowed` (closed by NULL), or the files mean something else. */
static status need_word(reading *r, const char *key, const char *const *allowed, char *word,
                        size_t room) {
    TRY(read_word(r, word, room));
    for (; *allowed; allowed++)
        if (!strcmp(word, *allowed)) return STATUS_OK;
    return json_fail(r->j, STATUS_UNSUPPORTED, "%s '%s' is not supported", key, word);
}

static status need_false(reading *r, const char *key) {
    bool truth;
    TRY(json_bool(r->j, &truth));
    return truth ? json_fail(r->j, STATUS_UNSUPPORTED, "%s is not supported", key) : STATUS_OK;
}

static status read_group(reading *r) {
    r->has_group = true;
    TRY(json_integer(r->j, -1, 1 << 20, &r->out->group));
    if (r->out->group < 0) r->out->group = 0;
    return r->out->group % 32
               ? json_fail(r->j, STATUS_UNSUPPORTED, "groups of %lld, not of 32 and its multiples",
                           (long long)r->out->group)
               : STATUS_OK;
}

static status read_bits(reading *r) {
    r->has_bits = true;
    return json_integer(r->j, 2, 8, &r->out->bits);
}

static status read_weights_key(reading *r, json_text key, bool *done) {
    static const char *const strategies[] = {"group", "channel", NULL}, *const types[] = {"int",
                                                                                          NULL};
    char word[32];
    if (json_is(key, "num_bits")) return read_bits(r);
    if (json_is(key, "group_size")) return read_group(r);
    if (json_is(key, "symmetric")) return json_bool(r->j, &r->out->symmetric);
    if (json_is(key, "dynamic")) return need_false(r, "a dynamic scale of weights");
    if (json_is(key, "strategy")) return need_word(r, "strategy", strategies, word, sizeof word);
    if (json_is(key, "type")) return need_word(r, "type", types, word, sizeof word);
    *done = false;
    return STATUS_OK;
}

static status read_sparsity_key(reading *r, json_text key, bool *done) {
    static const char *const forms[] = {"dense", "sparse-24-bitmask", NULL};
    char word[32];
    *done = json_is(key, "format");
    if (!*done) return STATUS_OK;
    TRY(need_word(r, "sparsity format", forms, word, sizeof word));
    r->sparse = strcmp(word, "dense") != 0;
    return STATUS_OK;
}

static status read_top_key(reading *r, json_text key, bool *done) {
    static const char *const methods[] = {"gptq", "awq", "compressed-tensors", "mxfp4", NULL};
    static const char *const forms[] = {"gptq", "gptq_v2", "gemm", "pack-quantized", "dense", NULL};
    static const char *const words[] = {"int32", NULL};
    char word[32];
    if (json_is(key, "quant_method"))
        return need_word(r, "quant_method", methods, r->method, sizeof r->method);
    if (json_is(key, "checkpoint_format") || json_is(key, "format"))
        return need_word(r, "format", forms, r->version, sizeof r->version);
    if (json_is(key, "version")) return read_word(r, r->version[0] ? word : r->version, 32);
    if (json_is(key, "pack_dtype")) return need_word(r, "pack_dtype", words, word, sizeof word);
    if (json_is(key, "bits") || json_is(key, "w_bit")) return read_bits(r);
    if (json_is(key, "group_size") || json_is(key, "q_group_size")) return read_group(r);
    if (json_is(key, "sym")) return json_bool(r->j, &r->out->symmetric);
    if (json_is(key, "zero_point")) return json_bool(r->j, &r->zero_point);
    if (json_is(key, "is_marlin_format")) return need_false(r, "marlin's format");
    if (json_is(key, "config_groups")) return read_place(r, GROUPS);
    if (json_is(key, "sparsity_config")) return read_place(r, SPARSITY);
    *done = false;
    return STATUS_OK;
}

static status read_key(reading *r, place at, json_text key, bool *done) {
    *done = true;
    if (at == GROUPS) {
        if (++r->config_groups > 1)
            return json_fail(r->j, STATUS_UNSUPPORTED, "more than one config group");
        return read_place(r, GROUP);
    }
    if (at == GROUP && json_is(key, "weights")) return read_place(r, WEIGHTS);
    if (at == WEIGHTS) return read_weights_key(r, key, done);
    if (at == SPARSITY) return read_sparsity_key(r, key, done);
    if (at == TOP) return read_top_key(r, key, done);
    *done = false;
    return STATUS_OK;
}

/* Whether the next value says nothing: null, an empty object, an empty list. */
static status skip_empty(json *j, bool *empty) {
    json_kind kind;
    json_text key;
    bool more = false;
    TRY(json_peek(j, &kind));
    *empty = kind == JSON_NULL;
    if (kind == JSON_NULL) return json_skip(j);
    if (kind == JSON_OBJECT) {
        TRY(json_enter_object(j));
        TRY(json_next_key(j, &more, &key));
        *empty = !more;
    } else if (kind == JSON_ARRAY) {
        TRY(json_enter_array(j));
        TRY(json_next_item(j, &more));
        *empty = !more;
    }
    return STATUS_OK;
}

static status read_place(reading *r, place at) {
    json_text key;
    json_kind kind;
    bool more, done, empty;
    TRY(json_enter_object(r->j));
    for (;;) {
        TRY(json_next_key(r->j, &more, &key));
        if (!more) return STATUS_OK;
        TRY(json_peek(r->j, &kind));
        if (kind == JSON_NULL) {
            TRY(json_skip(r->j));
            continue;
        }
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)MIN_OF(key.length, 60), key.bytes);
        TRY_NOTE(r->j->cx, read_key(r, at, key, &done), "'%s'", name);
        const char *const *skip = passed_over[at];
        while (!done && *skip && !json_is(key, *skip)) skip++;
        if (done) continue;
        if (*skip) {
            TRY(json_skip(r->j));
            continue;
        }
        TRY(skip_empty(r->j, &empty));
        if (!empty) return json_fail(r->j, STATUS_UNSUPPORTED, "the key '%s' is not known", name);
    }
}

static status complete(reading *r) {
    context *cx = r->j->cx;
    packed_recipe *p = r->out;
    bool gptq = !strcmp(r->method, "gptq"), awq = !strcmp(r->method, "awq");
    if (!*r->method) FAIL(cx, STATUS_UNSUPPORTED, "the key 'quant_method' is missing");
    if (!strcmp(r->method, "mxfp4")) {
        p->method = PACKED_MXFP4;
        return STATUS_OK;
    }
    p->method = gptq ? PACKED_GPTQ : awq ? PACKED_AWQ : PACKED_COMPRESSED;
    if (r->sparse && (p->method != PACKED_COMPRESSED || r->has_bits))
        FAIL(cx, STATUS_UNSUPPORTED, "codes of sparse weights are not supported");
    if (r->sparse) {
        p->method = PACKED_SPARSE24;
        return STATUS_OK;
    }
    if (!r->has_bits) FAIL(cx, STATUS_BAD_DATA, "%s: the number of bits is missing", r->method);
    if (!r->has_group && p->method != PACKED_COMPRESSED)
        FAIL(cx, STATUS_BAD_DATA, "%s: the group size is missing", r->method);
    int32_t allowed = gptq  ? 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8
                      : awq ? 1 << 4
                            : 1 << 2 | 1 << 4 | 1 << 8;
    if (!(allowed >> p->bits & 1))
        FAIL(cx, STATUS_UNSUPPORTED, "%s with %lld bits is not supported", r->method,
             (long long)p->bits);
    const char *form = gptq  ? (!strcmp(r->version, "gptq_v2") ? "gptq_v2" : "gptq")
                       : awq ? "gemm"
                             : "pack-quantized";
    if (*r->version ? strcmp(r->version, form) != 0 : p->method == PACKED_COMPRESSED)
        FAIL(cx, STATUS_UNSUPPORTED, "%s in the form '%s' is not supported", r->method, r->version);
    if (awq && !r->zero_point)
        FAIL(cx, STATUS_UNSUPPORTED, "awq without zero_point is not supported");
    p->zeros_less_one = gptq && strcmp(form, "gptq_v2") != 0;
    return STATUS_OK;
}

status packed_recipe_read(json *j, packed_recipe *out) {
    *out = (packed_recipe){0};
    reading r = {.j = j, .out = out, .zero_point = true};
    TRY(read_place(&r, TOP));
    return complete(&r);
}
