/* Part after part: weights, formats, configuration, tokenizer, chat template. */
#include "cmd/kit/inspect.h"
#include "model/kit/gguf_names.h"
#include "store/packed.h"
#include "text/template.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_parts.h"
#include <string.h>

/* Turns a failure into a refusal, unless it is Hone's own. */
static status judge(inspection *in, const char *part, status st) {
    if (st == STATUS_OK || st == STATUS_NO_MEMORY || st == STATUS_CANCELLED || st == STATUS_BUG)
        return st;
    inspect_refusal *r = ARENA_NEW(in->memory, inspect_refusal, 1);
    if (!r) return STATUS_NO_MEMORY;
    *r = (inspect_refusal){.code = st, .part = part};
    r->why = arena_strdup(in->memory, context_error(in->cx));
    if (!r->why) return STATUS_NO_MEMORY;
    inspect_refusal **end = &in->refusals;
    while (*end) end = &(*end)->next;
    *end = r;
    context_clear(in->cx);
    return STATUS_OK;
}

static status count_formats(inspection *in) {
    in->totals = NULL;
    for (int64_t i = 0; i < in->file.n_tensors; i++) {
        const modelfile_tensor *t = &in->file.tensors[i];
        inspect_total **at = &in->totals;
        while (*at && strcmp((*at)->first->format_name, t->format_name) != 0) at = &(*at)->next;
        if (!*at) {
            *at = ARENA_NEW(in->memory, inspect_total, 1);
            if (!*at) return STATUS_NO_MEMORY;
            (*at)->first = t;
        }
        (*at)->n_tensors++;
        (*at)->elems += modelfile_elems(t);
        (*at)->size_bytes += t->size_bytes;
    }
    return STATUS_OK;
}

static status read_weights(inspection *in) {
    status st = modelfile_open(in->cx, in->path, &in->file);
    in->is_open = st == STATUS_OK;
    TRY(judge(in, "weights", st));
    return count_formats(in);
}

/* Layers of several tensors, once the configuration has said how they are stored. */
static status join_layers(inspection *in) {
    if (!in->is_open || in->config.packed.method == PACKED_NONE) return STATUS_OK;
    TRY(judge(in, "weights", packed_join(&in->file, &in->config.packed)));
    return count_formats(in);
}

/* Of tensors as they are once joined: parts may be in formats that mean nothing alone. */
static status judge_formats(inspection *in) {
    inspect_refusal *others = in->refusals, **end = &in->refusals;
    *end = NULL;
    for (const inspect_total *f = in->totals; f; f = f->next) {
        if (f->first->format) continue;
        TRY(judge(in, "format",
                  context_fail(in->cx, STATUS_UNSUPPORTED,
                               "the format '%s' of tensor '%s' is not known (%lld tensors)",
                               f->first->format_name, f->first->name, (long long)f->n_tensors)));
    }
    while (*end) end = &(*end)->next;
    *end = others; /* what the file holds is told before what it means */
    return STATUS_OK;
}

/* A file of the model's folder, empty where it is not there. */
static status map_beside(inspection *in, const char *name, const char **path, file_map *map) {
    *map = (file_map){0};
    *path = arena_printf(in->memory, "%s/%s", in->path, name);
    if (!*path) return STATUS_NO_MEMORY;
    return file_exists(*path) ? file_map_open(in->cx, *path, map) : STATUS_OK;
}

static status read_folder_config(inspection *in) {
    const char *path;
    file_map map;
    TRY(map_beside(in, "config.json", &path, &map));
    if (!map.bytes)
        FAIL(in->cx, STATUS_UNSUPPORTED,
             "'%s' holds no config.json, so its architecture is not known", in->path);
    status st = model_config_read(in->cx, path, map.bytes, map.size_bytes, &in->config);
    file_map_close(&map);
    TRY(st);
    in->has_config = true;
    TRY(map_beside(in, "generation_config.json", &path, &map));
    if (!map.bytes) return STATUS_OK;
    st = model_generation_read(in->cx, path, map.bytes, map.size_bytes, &in->config);
    file_map_close(&map);
    return st;
}

static status describe_tokenizer(inspection *in, tokenizer *t) {
    static const char *const kinds[] = {[MODEL_BPE] = "BPE",
                                        [MODEL_UNIGRAM] = "unigram",
                                        [MODEL_WORDPIECE] = "WordPiece",
                                        [MODEL_WORDS] = "words"};
    in->tokenizer = t->model == MODEL_BPE && t->byte_level ? "byte-level BPE" : kinds[t->model];
    in->tokenizer_size = tokenizer_size(t);
    tokenizer_free(t);
    return STATUS_OK;
}

static status read_folder_tokenizer(inspection *in) {
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "spiece.model"};
    tokenizer *t;
    bool found = false;
    for (int64_t i = 0; i < COUNT_OF(names) && !found; i++) {
        const char *path = arena_printf(in->memory, "%s/%s", in->path, names[i]);
        if (!path) return STATUS_NO_MEMORY;
        found = file_exists(path);
    }
    if (!found) return STATUS_OK;
    TRY(tokenizer_open(in->cx, in->path, &t));
    return describe_tokenizer(in, t);
}

static status check_templates(inspection *in, const tokenizer_config *said) {
    for (const named_template *t = said->templates; t; t = t->next) {
        template *parsed;
        in->has_template = true;
        TRY_NOTE(in->cx, template_parse(in->cx, t->text, t->length, &parsed),
                 "chat template of '%s'", said->source);
        template_free(parsed);
    }
    return STATUS_OK;
}

static status read_folder_template(inspection *in) {
    tokenizer_config said;
    TRY(tokenizer_config_read(in->cx, in->memory, in->path, &said));
    return check_templates(in, &said);
}

static status read_gguf_tokenizer(inspection *in) {
    tokenizer *t;
    if (!tokenizer_in_gguf(&in->file.gguf)) return STATUS_OK;
    TRY_NOTE(in->cx, tokenizer_open_gguf(in->cx, &in->file.gguf, &t), "'%s'", in->path);
    return describe_tokenizer(in, t);
}

static status read_gguf_template(inspection *in) {
    tokenizer_config said;
    TRY(tokenizer_config_of_gguf(in->cx, in->memory, in->path, &in->file.gguf, NULL, &said));
    return check_templates(in, &said);
}

status inspect_read(context *cx, arena *memory, const char *path, inspection *out) {
    *out = (inspection){.cx = cx, .memory = memory, .path = path};
    TRY(model_check_there(cx, path));
    TRY(read_weights(out));
    if (file_is_folder(path)) {
        TRY(judge(out, "config", read_folder_config(out)));
        TRY(join_layers(out));
        TRY(judge_formats(out));
        TRY(judge(out, "tokenizer", read_folder_tokenizer(out)));
        return judge(out, "template", read_folder_template(out));
    }
    TRY(judge_formats(out));
    if (!out->is_open || out->file.kind != MODELFILE_GGUF) return STATUS_OK;
    status st = gguf_config_read(cx, path, &out->file.gguf, &out->config);
    out->has_config = st == STATUS_OK;
    TRY(judge(out, "config", st));
    TRY(judge(out, "tokenizer", read_gguf_tokenizer(out)));
    return judge(out, "template", read_gguf_template(out));
}

void inspect_close(inspection *in) {
    modelfile_close(&in->file);
    *in = (inspection){0};
}
