/* The lineage of a compressed model (store/lineage.h) with all that repeats the work to the bit: the parent, the
 * calibration text and what else steps read, with their SHA-256, the recipe, seed and container, and the hash of the
 * tensors that come out. */
#include "base/file.h"
#include "base/hash.h"
#include "compress/kit/run.h"
#include "store/lineage.h"
#include <stdio.h>
#include <string.h>

static void write_file(json_writer *w, const char *path, const char *hash) {
    json_write_string_field(w, "path", path);
    json_write_string_field(w, "sha256", hash);
}

static status write_calibration(json_writer *w, compress *c) {
    char hash[SHA256_TEXT_BYTES];
    if (!c->text.path) return STATUS_OK;
    TRY(file_sha256(c->cx, c->text.path, hash));
    json_write_key(w, "calibration");
    json_write_object(w);
    write_file(w, c->text.path, hash);
    json_write_integer_field(w, "sequences", c->text.sequences);
    json_write_integer_field(w, "length", c->text.length);
    json_write_object_end(w);
    return STATUS_OK;
}

static void write_sources(json_writer *w, const compress *c) {
    if (!c->sources) return;
    json_write_key(w, "reads");
    json_write_array(w);
    for (const source *s = c->sources; s; s = s->next) {
        json_write_object(w);
        write_file(w, s->path, s->sha256);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

static status write_object(json_writer *w, compress *c, const compress_options *o,
                           const compress_result *r) {
    static const char *const containers[] = {COMPRESS_CONTAINERS};
    char hash[SHA256_TEXT_BYTES];
    lineage parent;
    json_write_object(w);
    json_write_string_field(w, "recipe", o->recipe);
    json_write_integer_field(w, "seed", o->seed);
    json_write_string_field(w, "container", containers[o->container]);
    TRY(write_calibration(w, c));
    write_sources(w, c);
    json_write_string_field(w, "tensors_sha256", r->sha256);
    json_write_number_field(w, "bits_per_weight", r->bits_per_weight);
    json_write_number_field(w, "cost_flops", r->flops);
    json_write_number_field(w, "cost_seconds", r->seconds);
    json_write_integer_field(w, "peak_bytes", r->peak_bytes);
    TRY(lineage_hash(c->cx, o->model, hash));
    json_write_key(w, "made_from");
    json_write_object(w);
    write_file(w, o->model, hash);
    json_write_object_end(w);
    TRY(lineage_of_parent(c->memory, o->model, &parent));
    json_write_key(w, "parents");
    json_write_array(w);
    lineage_json(w, &parent);
    json_write_array_end(w);
    json_write_object_end(w);
    return STATUS_OK;
}

static status must_be(compress *c, const char *path, const char *what, const char *was,
                      const char *is) {
    if (strcmp(was, is) != 0)
        FAIL(c->cx, STATUS_BAD_DATA, "'%s' is not %s any more: its SHA-256 was %s, not %s", path,
             what, was, is);
    return STATUS_OK;
}

static const source *find_source(const source *all, const char *path) {
    while (all && strcmp(all->path, path) != 0) all = all->next;
    return all;
}

status provenance_reads(compress *c, const char *path, bool is_model) {
    if (c->foresees || find_source(c->sources, path)) return STATUS_OK;
    source *s = ARENA_NEW(c->memory, source, 1);
    if (!s) return STATUS_NO_MEMORY;
    s->path = path;
    TRY(is_model ? lineage_hash(c->cx, path, s->sha256) : file_sha256(c->cx, path, s->sha256));
    const source *was = find_source(c->told, path);
    if (was) TRY(must_be(c, path, "what was read", was->sha256, s->sha256));
    s->next = c->sources;
    c->sources = s;
    return STATUS_OK;
}

status provenance_check(compress *c, const compress_options *o) {
    char hash[SHA256_TEXT_BYTES];
    if (!o->repeats) return STATUS_OK;
    TRY(lineage_hash(c->cx, o->model, hash));
    TRY(must_be(c, o->model, "the parent", o->repeats_parent, hash));
    if (!o->calib) return STATUS_OK;
    TRY(file_sha256(c->cx, o->calib, hash));
    return must_be(c, o->calib, "the calibration text", o->repeats_calib, hash);
}

status provenance_text(compress *c, const compress_options *o, const compress_result *r,
                       const char **out) {
    *out = o->repeats;
    if (o->repeats && strcmp(o->repeats_tensors, r->sha256) != 0)
        FAIL(c->cx, STATUS_BAD_DATA,
             "the weights came out otherwise: their SHA-256 was %s, not %s (another build of Hone, "
             "or another instruction set)",
             o->repeats_tensors, r->sha256);
    if (o->repeats) return STATUS_OK;
    json_writer w = json_writer_to_buffer(c->cx, 2);
    status st = write_object(&w, c, o, r);
    if (st == STATUS_OK) st = json_writer_finish(&w);
    *out = st == STATUS_OK ? arena_strndup(c->memory, w.bytes, (size_t)w.size) : NULL;
    json_writer_free(&w);
    return st == STATUS_OK && !*out ? STATUS_NO_MEMORY : st;
}
