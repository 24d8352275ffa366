/* An index of shards and the shards themselves must name the same tensors in the same places. */
#include "store/safetensors_shards.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 4096 };

typedef struct index_entry {
    const char *name;
    int32_t file;
} index_entry;

typedef struct index_list {
    index_entry *entries;
    int64_t count, capacity;
} index_list;

static int by_name(const void *a, const void *b) {
    return strcmp(((const index_entry *)a)->name, ((const index_entry *)b)->name);
}

/* Shards stand beside the index: a name with a folder in it could point anywhere. */
static status read_shard(safetensors *s, json *j, const char *folder, int32_t *file) {
    json_text text;
    const char *name;
    TRY(json_string(j, &text));
    TRY(safetensors_keep_text(s, j, text, &name));
    if (!*name || strchr(name, '/') || name[0] == '.')
        return json_fail(j, STATUS_BAD_DATA, "'%.200s' does not name a file beside the index",
                         name);
    const char *path = arena_printf(&s->memory, "%s%s", folder, name);
    if (!path) return STATUS_NO_MEMORY;
    TRY(safetensors_add_file(s, path, file));
    if (s->n_files > MAX_FILES)
        return json_fail(j, STATUS_UNSUPPORTED, "more than %d files", MAX_FILES);
    return STATUS_OK;
}

static status add_entry(context *cx, index_list *list, index_entry entry) {
    if (list->count == list->capacity) {
        int64_t capacity = MAX_OF(2 * list->capacity, 64);
        index_entry *bigger = context_alloc(cx, (size_t)capacity * sizeof *bigger);
        if (!bigger) return STATUS_NO_MEMORY;
        if (list->count) memcpy(bigger, list->entries, (size_t)list->count * sizeof *bigger);
        context_release(cx, list->entries);
        list->entries = bigger;
        list->capacity = capacity;
    }
    list->entries[list->count++] = entry;
    return STATUS_OK;
}

static status read_weight_map(safetensors *s, json *j, const char *folder, index_list *list) {
    TRY(json_enter_object(j));
    for (;;) {
        json_text key;
        bool more;
        index_entry entry;
        TRY(json_next_key(j, &more, &key));
        if (!more) return STATUS_OK;
        TRY(safetensors_keep_text(s, j, key, &entry.name));
        TRY_NOTE(s->cx, read_shard(s, j, folder, &entry.file), "tensor '%.200s'", entry.name);
        TRY(add_entry(s->cx, list, entry));
    }
}

static status read_map(safetensors *s, json *j, const char *folder, index_list *list) {
    bool found = false;
    TRY(json_enter_object(j));
    for (;;) {
        json_text key;
        bool more;
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        if (json_is(key, "weight_map")) {
            if (found) return json_fail(j, STATUS_BAD_DATA, "weight_map comes twice");
            found = true;
            TRY(read_weight_map(s, j, folder, list));
        } else {
            TRY(json_skip(j));
        }
    }
    if (!found) return json_fail(j, STATUS_BAD_DATA, "weight_map is missing");
    return json_finish(j);
}

static status compare(safetensors *s, index_list *list) {
    context *cx = s->cx;
    if (list->count) qsort(list->entries, (size_t)list->count, sizeof *list->entries, by_name);
    for (int64_t i = 0; i < list->count || i < s->n_tensors; i++) {
        const index_entry *e = i < list->count ? &list->entries[i] : NULL;
        const safetensors_tensor *t = i < s->n_tensors ? &s->tensors[i] : NULL;
        if (e && i && !strcmp(e->name, e[-1].name))
            FAIL(cx, STATUS_BAD_DATA, "tensor '%.200s' comes twice in weight_map", e->name);
        int order = !e ? 1 : !t ? -1 : strcmp(e->name, t->name);
        if (order < 0)
            FAIL(cx, STATUS_BAD_DATA, "tensor '%.200s' is not in '%s'", e->name,
                 s->files[e->file].path);
        if (order > 0)
            FAIL(cx, STATUS_BAD_DATA, "tensor '%.200s' of '%s' is not in weight_map", t->name,
                 s->files[t->file].path);
        if (e->file != t->file)
            FAIL(cx, STATUS_BAD_DATA, "tensor '%.200s' is in '%s', not in '%s'", e->name,
                 s->files[t->file].path, s->files[e->file].path);
    }
    return STATUS_OK;
}

static status read_shards(safetensors *s, index_list *list) {
    for (int32_t i = 0; i < s->n_files; i++)
        TRY(file_map_open(s->cx, s->files[i].path, &s->files[i].map));
    TRY(safetensors_read_files(s));
    return compare(s, list);
}

status safetensors_read_index(safetensors *s, const char *path) {
    const char *slash = strrchr(path, '/');
    const char *folder = arena_strndup(&s->memory, path, slash ? (size_t)(slash - path + 1) : 0);
    if (!folder) return STATUS_NO_MEMORY;
    file_map map;
    TRY(file_map_open(s->cx, path, &map));
    index_list list = {0};
    json j = json_make(s->cx, path, map.bytes, map.size_bytes, NULL);
    status st = read_map(s, &j, folder, &list);
    if (st == STATUS_OK) {
        st = read_shards(s, &list);
        if (st != STATUS_OK) (void)context_note(s->cx, st, "'%s'", path);
    }
    context_release(s->cx, list.entries);
    json_free(&j);
    file_map_close(&map);
    return st;
}
