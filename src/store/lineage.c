#include "store/lineage.h"
#include "base/json.h"
#include "store/modelfile.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_DEPTH = 32, MOST_PARENTS = 64 };

/* ---- reading ---- */

static const char *keep(arena *mem, json_text t) {
    return arena_strndup(mem, t.bytes, (size_t)t.length);
}

static status read_text(json *j, arena *mem, const char **out) {
    json_kind kind;
    json_text text;
    TRY(json_peek(j, &kind));
    if (kind != JSON_STRING) return json_skip(j);
    TRY(json_string(j, &text));
    *out = keep(mem, text);
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

static status read_number(json *j, double *out) {
    json_kind kind;
    TRY(json_peek(j, &kind));
    return kind == JSON_NUMBER ? json_number(j, 0, HUGE_VAL, out) : json_skip(j);
}

static status read_object(json *j, arena *mem, int depth, lineage *out);

static status read_parents(json *j, arena *mem, int depth, lineage *out) {
    lineage *all = ARENA_NEW(mem, lineage, MOST_PARENTS);
    bool more;
    if (!all) return STATUS_NO_MEMORY;
    out->parents = all;
    TRY(json_enter_array(j));
    for (;;) {
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        if (out->n_parents == MOST_PARENTS)
            return json_fail(j, STATUS_BAD_DATA, "more than %d parents", MOST_PARENTS);
        TRY(read_object(j, mem, depth + 1, &all[out->n_parents++]));
    }
}

static status read_object(json *j, arena *mem, int depth, lineage *out) {
    json_text key;
    bool more;
    double peak = 0;
    *out = (lineage){.cost_flops = NAN, .cost_seconds = NAN};
    TRY(json_enter_object(j));
    if (depth > MOST_DEPTH)
        return json_fail(j, STATUS_BAD_DATA, "more than %d generations", MOST_DEPTH);
    out->text = j->token_at;
    for (;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        if (json_is(key, "recipe"))
            TRY(read_text(j, mem, &out->recipe));
        else if (json_is(key, "sha256"))
            TRY(read_text(j, mem, &out->sha256));
        else if (json_is(key, "path"))
            TRY(read_text(j, mem, &out->path));
        else if (json_is(key, "cost_flops"))
            TRY(read_number(j, &out->cost_flops));
        else if (json_is(key, "cost_seconds"))
            TRY(read_number(j, &out->cost_seconds));
        else if (json_is(key, "peak_bytes"))
            TRY(read_number(j, &peak));
        else if (json_is(key, "parents"))
            TRY(read_parents(j, mem, depth, out));
        else
            TRY(json_skip(j));
    }
    out->peak_bytes = peak < 0x1p62 ? (int64_t)peak : 0;
    out->text_bytes = j->at - out->text;
    return STATUS_OK;
}

/* The text stays in `mem`: lineages point into it. */
static status parse(arena *mem, const char *name, const char *bytes, int64_t size, lineage *out) {
    const char *own = arena_strndup(mem, bytes, (size_t)size);
    if (!own) return STATUS_NO_MEMORY;
    json j = json_make(mem->cx, name, own, size, NULL);
    status st = read_object(&j, mem, 0, out);
    if (st == STATUS_OK) st = json_finish(&j);
    json_free(&j);
    return st;
}

static status read_gguf(arena *mem, const char *model, lineage *out, bool *found) {
    gguf g;
    TRY(gguf_open(mem->cx, model, &g));
    const gguf_value *v = gguf_find(&g, LINEAGE_KEY);
    *found = v && v->type == GGUF_STRING;
    status st = STATUS_OK;
    if (*found) st = parse(mem, LINEAGE_KEY, v->text.bytes, v->text.length, out);
    gguf_close(&g);
    return st == STATUS_OK ? st : context_note(mem->cx, st, "'%s'", model);
}

status lineage_read(arena *mem, const char *model, lineage *out, bool *found) {
    *out = (lineage){.cost_flops = NAN, .cost_seconds = NAN};
    size_t n = strlen(model);
    if (n > 5 && !strcmp(model + n - 5, ".gguf")) return read_gguf(mem, model, out, found);
    const char *path = arena_printf(mem, "%s/" LINEAGE_FILE, model);
    file_map map;
    if (!path) return STATUS_NO_MEMORY;
    *found = file_exists(path);
    if (!*found) return STATUS_OK;
    TRY(file_map_open(mem->cx, path, &map));
    status st = parse(mem, path, map.bytes, map.size_bytes, out);
    file_map_close(&map);
    return st;
}

status lineage_of_parent(arena *mem, const char *model, lineage *out) {
    char hash[SHA256_TEXT_BYTES];
    bool found;
    TRY(lineage_read(mem, model, out, &found));
    if (!found) {
        TRY(lineage_hash(mem->cx, model, hash));
        out->sha256 = arena_strdup(mem, hash);
        if (!out->sha256) return STATUS_NO_MEMORY;
    }
    out->path = model;
    return STATUS_OK;
}

/* ---- writing ---- */

static void write_known(json_writer *w, const char *key, double v) {
    if (isfinite(v)) json_write_number_field(w, key, v);
}

/* The members of an object as they were read, but its path. */
static status copy_members(context *cx, json_writer *w, const lineage *l) {
    json_text key;
    json_kind kind;
    bool more = true;
    json j = json_make(cx, LINEAGE_FILE, l->text, l->text_bytes, NULL);
    status st = json_enter_object(&j);
    while (st == STATUS_OK) {
        st = json_next_key(&j, &more, &key);
        if (st != STATUS_OK || !more) break;
        bool copied = !json_is(key, "path");
        if (copied) json_write_key_text(w, key.bytes, key.length);
        st = json_peek(&j, &kind);
        const char *from = j.at;
        if (st == STATUS_OK) st = json_skip(&j);
        if (copied) json_write_raw(w, from, j.at - from);
    }
    json_free(&j);
    return st;
}

void lineage_json(json_writer *w, const lineage *l) {
    if (l->text) {
        json_write_object(w);
        if (l->path) json_write_string_field(w, "path", l->path);
        if (copy_members(w->cx, w, l) != STATUS_OK) w->st = STATUS_BUG; /* it was read before */
        json_write_object_end(w);
        return;
    }
    json_write_object(w);
    if (l->path) json_write_string_field(w, "path", l->path);
    if (l->recipe) json_write_string_field(w, "recipe", l->recipe);
    if (l->sha256) json_write_string_field(w, "sha256", l->sha256);
    write_known(w, "cost_flops", l->cost_flops);
    write_known(w, "cost_seconds", l->cost_seconds);
    if (l->peak_bytes) json_write_integer_field(w, "peak_bytes", l->peak_bytes);
    json_write_key(w, "parents");
    json_write_array(w);
    for (int64_t i = 0; i < l->n_parents; i++) lineage_json(w, &l->parents[i]);
    json_write_array_end(w);
    json_write_object_end(w);
}

status lineage_write(context *cx, const char *folder, const lineage *l) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/" LINEAGE_FILE, folder) >= (int)sizeof path)
        FAIL(cx, STATUS_BAD_ARGUMENT, "'%s' is too long a path", folder);
    json_writer w = json_writer_to_buffer(cx, 2);
    lineage_json(&w, l);
    status st = json_writer_finish(&w);
    if (st == STATUS_OK) st = file_write_whole(cx, path, w.bytes, w.size);
    json_writer_free(&w);
    return st;
}

/* What has been read is let go of: mapped pages count as memory too. */
static void add_file(hash_sha256_state *h, const file_map *map) {
    enum { PIECE_BYTES = 1 << 20 };
    for (int64_t at = 0; at < map->size_bytes; at += PIECE_BYTES) {
        int64_t n = MIN_OF(PIECE_BYTES, map->size_bytes - at);
        hash_sha256_add(h, map->bytes + at, (size_t)n);
        file_map_release(map, at, n);
    }
}

status lineage_hash(context *cx, const char *model, char out[SHA256_TEXT_BYTES]) {
    modelfile m = {0};
    hash_sha256_state h;
    uint8_t digest[SHA256_BYTES];
    TRY(modelfile_open(cx, model, &m));
    hash_sha256_begin(&h);
    for (int64_t i = 0; i < m.n_files; i++) {
        const file_map *map =
            m.kind == MODELFILE_GGUF ? &m.gguf.files[i].map : &m.safetensors.files[i].map;
        add_file(&h, map);
    }
    hash_sha256_value(&h, digest);
    hash_sha256_text(digest, out);
    modelfile_close(&m);
    return STATUS_OK;
}

/* ---- sums ---- */

static double sum(const lineage *l, size_t member) {
    double own, all = NAN;
    memcpy(&own, (const char *)l + member, sizeof own);
    if (isfinite(own)) all = own;
    for (int64_t i = 0; i < l->n_parents; i++) {
        double more = sum(&l->parents[i], member);
        if (isfinite(more)) all = isfinite(all) ? all + more : more;
    }
    return all;
}

double lineage_flops(const lineage *l) {
    return sum(l, offsetof(lineage, cost_flops));
}

double lineage_seconds(const lineage *l) {
    return sum(l, offsetof(lineage, cost_seconds));
}
