/* Doing again what a lineage tells. What it names must be what it was: the parent and all that was read, by their
 * SHA-256, asked before work starts; and the tensors that come out must be those that it names, or nothing is written.
 * Then the same lineage goes along, so that the whole file is the same to the bit. */
#include "base/file.h"
#include "base/json.h"
#include "compress/kit/run.h"
#include "store/lineage.h"
#include <string.h>

typedef struct told {
    arena *mem;
    compress_options *o;
    const char *container, *tensors, *parent_hash, *calib_hash;
    source *sources;
} told;

static status keep(json *j, arena *mem, const char **out) {
    json_text t;
    TRY(json_string(j, &t));
    *out = arena_strndup(mem, t.bytes, (size_t)t.length);
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

/* A file's path and hash; of the calibration text (`cut`) also how it is cut into sequences. */
static status read_file(json *j, told *t, bool cut, const char **path, const char **hash) {
    json_text key;
    bool more;
    TRY(json_enter_object(j));
    for (;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) return STATUS_OK;
        if (json_is(key, "path"))
            TRY(keep(j, t->mem, path));
        else if (json_is(key, "sha256"))
            TRY(keep(j, t->mem, hash));
        else if (cut && json_is(key, "sequences"))
            TRY(json_integer(j, 1, 1 << 20, &t->o->calib_sequences));
        else if (cut && json_is(key, "length"))
            TRY(json_integer(j, 2, 1 << 20, &t->o->calib_length));
        else
            TRY(json_skip(j));
    }
}

/* One of the files that steps read. */
static status read_source(json *j, told *t) {
    const char *hash = "";
    source *s = ARENA_NEW(t->mem, source, 1);
    if (!s) return STATUS_NO_MEMORY;
    s->path = "";
    TRY(read_file(j, t, false, &s->path, &hash));
    snprintf(s->sha256, sizeof s->sha256, "%s", hash);
    s->next = t->sources;
    t->sources = s;
    return STATUS_OK;
}

static status read_sources(json *j, told *t) {
    bool more;
    TRY(json_enter_array(j));
    for (;;) {
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        TRY(read_source(j, t));
    }
}

static status read_parent(json *j, told *t) {
    const char *path = NULL;
    TRY(read_file(j, t, false, &path, &t->parent_hash));
    if (!t->o->model) t->o->model = path;
    return STATUS_OK;
}

static status read_object(json *j, told *t) {
    json_text key;
    bool more;
    TRY(json_enter_object(j));
    for (;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) return json_finish(j);
        if (json_is(key, "recipe"))
            TRY(keep(j, t->mem, &t->o->recipe));
        else if (json_is(key, "seed"))
            TRY(json_integer(j, 0, INT64_MAX, &t->o->seed));
        else if (json_is(key, "container"))
            TRY(keep(j, t->mem, &t->container));
        else if (json_is(key, "tensors_sha256"))
            TRY(keep(j, t->mem, &t->tensors));
        else if (json_is(key, "calibration"))
            TRY(read_file(j, t, true, &t->o->calib, &t->calib_hash));
        else if (json_is(key, "reads"))
            TRY(read_sources(j, t));
        else if (json_is(key, "made_from"))
            TRY(read_parent(j, t));
        else
            TRY(json_skip(j));
    }
}

/* The lineage's text, in `mem`. */
static status read_text(arena *mem, const char *path, const char **out) {
    context *cx = mem->cx;
    *out = NULL;
    if (file_is_folder(path)) {
        file_map map;
        char *name = arena_printf(mem, "%s/" LINEAGE_FILE, path);
        if (!name) return STATUS_NO_MEMORY;
        TRY_NOTE(cx, file_map_open(cx, name, &map), "the lineage");
        *out = arena_strndup(mem, map.bytes, (size_t)map.size_bytes);
        file_map_close(&map);
        return *out ? STATUS_OK : STATUS_NO_MEMORY;
    }
    gguf g;
    TRY(gguf_open(cx, path, &g));
    const gguf_value *v = gguf_find(&g, LINEAGE_KEY);
    if (v && v->type == GGUF_STRING)
        *out = arena_strndup(mem, v->text.bytes, (size_t)v->text.length);
    gguf_close(&g);
    if (!*out) FAIL(cx, STATUS_BAD_DATA, "'%s' has no lineage that could be done again", path);
    return STATUS_OK;
}

static status complete(told *t) {
    static const char *const containers[] = {COMPRESS_CONTAINERS};
    context *cx = t->mem->cx;
    compress_options *o = t->o;
    bool found = false;
    for (int i = 0; t->container && i < COUNT_OF(containers); i++)
        if (!strcmp(containers[i], t->container)) {
            o->container = (compress_container)i;
            found = true;
        }
    if (!o->recipe || !o->model || !t->tensors || !t->parent_hash || !found ||
        (o->calib && !t->calib_hash))
        FAIL(cx, STATUS_BAD_DATA, "its lineage does not tell all that repeats it");
    o->repeats_tensors = t->tensors;
    o->repeats_parent = t->parent_hash;
    o->repeats_calib = t->calib_hash;
    o->repeats_sources = t->sources;
    return STATUS_OK;
}

status compress_rerun_read(arena *mem, const char *path, compress_options *o) {
    told t = {.mem = mem, .o = o};
    TRY(read_text(mem, path, &o->repeats));
    json j = json_make(mem->cx, "the lineage", o->repeats, (int64_t)strlen(o->repeats), NULL);
    status st = read_object(&j, &t);
    json_free(&j);
    if (st == STATUS_OK) st = complete(&t);
    return st == STATUS_OK ? st : context_note(mem->cx, st, "'%s'", path);
}
