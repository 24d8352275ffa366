/* Names of formats are the same in all three places but for case, so that no table is needed:
 * safetensors says BF16, GGUF and src/num say bf16. */
#include "store/modelfile.h"
#include <ctype.h>
#include <string.h>

static const char *lower(arena *a, const char *name) {
    char *text = arena_strdup(a, name);
    for (char *p = text; p && *p; p++) *p = (char)tolower((unsigned char)*p);
    return text;
}

static status list_safetensors(modelfile *m) {
    const safetensors *s = &m->safetensors;
    m->n_tensors = s->n_tensors;
    m->n_files = s->n_files;
    m->tensors = ARENA_NEW(&m->memory, modelfile_tensor, m->n_tensors);
    if (!m->tensors) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < m->n_tensors; i++) {
        const safetensors_tensor *from = &s->tensors[i];
        modelfile_tensor *to = &m->tensors[i];
        *to = (modelfile_tensor){.name = from->name,
                                 .format_name = lower(&m->memory, from->dtype->name),
                                 .n_dims = from->n_dims,
                                 .data = from->data,
                                 .size_bytes = from->size_bytes};
        if (!to->format_name) return STATUS_NO_MEMORY;
        to->format = num_find(to->format_name);
        memcpy(to->shape, from->shape, sizeof to->shape);
    }
    return STATUS_OK;
}

static status list_gguf(modelfile *m) {
    const gguf *g = &m->gguf;
    m->n_tensors = g->n_tensors;
    m->n_files = g->n_files;
    m->tensors = ARENA_NEW(&m->memory, modelfile_tensor, m->n_tensors);
    if (!m->tensors) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < m->n_tensors; i++) {
        const gguf_tensor *from = g->by_name[i];
        modelfile_tensor *to = &m->tensors[i];
        *to = (modelfile_tensor){.name = from->name,
                                 .format_name = from->dtype->name,
                                 .format = num_find(from->dtype->name),
                                 .n_dims = from->n_dims,
                                 .data = from->data,
                                 .size_bytes = from->size_bytes};
        for (int32_t d = 0; d < from->n_dims; d++) to->shape[d] = from->shape[from->n_dims - 1 - d];
    }
    return STATUS_OK;
}

static bool starts_with(const file_map *map, const char *bytes, int64_t n) {
    return map->size_bytes >= n && !memcmp(map->bytes, bytes, (size_t)n);
}

/* A file of no such name whose first bytes are no size of a header: anything else, such as a text. */
static bool is_something_else(const file_map *map, const char *path) {
    uint64_t size;
    if (strstr(path, ".safetensors") || map->size_bytes < (int64_t)sizeof size) return false;
    memcpy(&size, map->bytes, sizeof size);
    return size > INT32_MAX;
}

/* What a file's first bytes say. Torch saves a zip archive or, in old versions, a bare pickle. */
static status find_kind(context *cx, const char *path, modelfile_kind *kind) {
    *kind = MODELFILE_SAFETENSORS;
    if (file_is_folder(path)) return STATUS_OK;
    file_map map;
    TRY(file_map_open(cx, path, &map));
    if (starts_with(&map, "GGUF", 4)) *kind = MODELFILE_GGUF;
    bool other = *kind == MODELFILE_SAFETENSORS && is_something_else(&map, path);
    bool pickle = starts_with(&map, "PK\3\4", 4) || starts_with(&map, "\x80\2", 2);
    file_map_close(&map);
    if (pickle)
        FAIL(cx, STATUS_UNSUPPORTED,
             "'%s' is a PyTorch pickle, which can run code when it is opened; convert it to "
             "safetensors (transformers: save_pretrained(..., safe_serialization=True))",
             path);
    if (other)
        FAIL(cx, STATUS_BAD_DATA,
             "'%s' is no model: give a model's folder, a GGUF or a safetensors file", path);
    return STATUS_OK;
}

static status open_and_list(modelfile *m, const char *path) {
    TRY(find_kind(m->cx, path, &m->kind));
    if (m->kind == MODELFILE_GGUF) {
        TRY(gguf_open(m->cx, path, &m->gguf));
        return list_gguf(m);
    }
    TRY(safetensors_open(m->cx, path, &m->safetensors));
    return list_safetensors(m);
}

status modelfile_open(context *cx, const char *path, modelfile *out) {
    *out = (modelfile){.cx = cx, .memory = arena_make(cx)};
    status st = open_and_list(out, path);
    if (st != STATUS_OK) modelfile_close(out);
    return st;
}

void modelfile_close(modelfile *m) {
    if (!m->cx) return;
    safetensors_close(&m->safetensors);
    gguf_close(&m->gguf);
    arena_free(&m->memory);
    *m = (modelfile){0};
}

const modelfile_tensor *modelfile_find(const modelfile *m, const char *name) {
    int64_t lo = 0, hi = m->n_tensors;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        int order = strcmp(m->tensors[mid].name, name);
        if (!order) return &m->tensors[mid];
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

int64_t modelfile_elems(const modelfile_tensor *t) {
    int64_t n = 1;
    for (int32_t d = 0; d < t->n_dims; d++) n *= t->shape[d];
    return n;
}
