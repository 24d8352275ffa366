#include "train/record.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/time.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static const int64_t flush_ns = INT64_C(500000000);
enum { PATH_BYTES = 4096 };

static status read_point(json *j, record_point *out) {
    json_text key;
    bool more;
    *out = (record_point){.validation_loss = NAN, .loss = NAN};
    TRY(json_enter_object(j));
    for (;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) return json_finish(j);
        if (json_is(key, "step"))
            TRY(json_integer(j, 0, INT64_MAX, &out->step));
        else if (json_is(key, "loss"))
            TRY(json_number(j, -HUGE_VAL, HUGE_VAL, &out->loss));
        else if (json_is(key, "validation_loss"))
            TRY(json_number(j, -HUGE_VAL, HUGE_VAL, &out->validation_loss));
        else
            TRY(json_skip(j));
    }
}

/* Walks the whole lines of a file; *line_bytes 0 at its end. */
static status next_point(context *cx, const file_map *map, int64_t at, int64_t *line_bytes,
                         record_point *out) {
    const char *from = map->bytes + at;
    const char *end = memchr(from, '\n', (size_t)(map->size_bytes - at));
    *line_bytes = end ? end - from + 1 : 0;
    if (!end) return STATUS_OK;
    json j = json_make(cx, "metrics.jsonl", from, end - from, NULL);
    status st = read_point(&j, out);
    json_free(&j);
    return st;
}

static status keep_until(context *cx, const char *path, int64_t step) {
    file_map map;
    int64_t at = 0, line = 0;
    record_point p;
    if (!file_exists(path)) return STATUS_OK;
    TRY(file_map_open(cx, path, &map));
    status st = STATUS_OK;
    for (; st == STATUS_OK; at += line) {
        st = next_point(cx, &map, at, &line, &p);
        if (!line || st != STATUS_OK || p.step > step) break;
    }
    if (st == STATUS_OK && at < map.size_bytes) st = file_write_whole(cx, path, map.bytes, at);
    file_map_close(&map);
    return st;
}

status record_open(context *cx, const char *folder, int64_t step, record *out) {
    char path[PATH_BYTES];
    *out = (record){.cx = cx};
    snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
    TRY_NOTE(cx, keep_until(cx, path, step), "'%s'", path);
    out->file = fopen(path, step ? "ab" : "wb");
    if (!out->file) FAIL(cx, STATUS_IO, "'%s': %s", path, strerror(errno));
    return STATUS_OK;
}

status record_flush(record *m) {
    if (!fflush(m->file) && !ferror(m->file)) return STATUS_OK;
    FAIL(m->cx, STATUS_IO, "writing metrics.jsonl: %s", strerror(errno));
}

status record_write(record *m, const train_report *r, double share) {
    json_writer w = json_writer_to_file(m->cx, m->file, 0);
    json_write_object(&w);
    json_write_integer_field(&w, "step", r->step);
    json_write_integer_field(&w, "tokens", r->tokens);
    json_write_number_field(&w, "loss", r->loss);
    json_write_number_field(&w, "lr", r->lr);
    json_write_number_field(&w, "norm", r->norm);
    json_write_number_field(&w, "seconds", r->seconds);
    json_write_number_field(&w, "tokens_per_second", r->token_rate);
    if (isfinite(share)) json_write_number_field(&w, "share", share);
    json_write_number_field(&w, "stall", r->stall_share);
    if (isfinite(r->validation)) json_write_number_field(&w, "validation_loss", r->validation);
    json_write_object_end(&w);
    TRY(json_writer_finish(&w));
    int64_t now = time_ns();
    if (now - m->flushed_ns < flush_ns) return STATUS_OK;
    m->flushed_ns = now;
    return record_flush(m);
}

status record_close(record *m) {
    if (!m->file) return STATUS_OK;
    status st = record_flush(m);
    fclose(m->file);
    *m = (record){0};
    return st;
}

status record_read(context *cx, const char *folder, arena *mem, record_point **out, int64_t *n) {
    char path[PATH_BYTES];
    file_map map;
    int64_t lines = 0, at = 0, line = 0;
    *n = 0;
    snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
    TRY(file_map_open(cx, path, &map));
    for (int64_t i = 0; i < map.size_bytes; i++) lines += map.bytes[i] == '\n';
    *out = ARENA_NEW(mem, record_point, lines + 1);
    status st = *out ? STATUS_OK : STATUS_NO_MEMORY;
    for (; st == STATUS_OK; at += line, ++*n) {
        st = next_point(cx, &map, at, &line, &(*out)[*n]);
        if (!line || st != STATUS_OK) break;
    }
    file_map_close(&map);
    return st == STATUS_OK ? st : context_note(cx, st, "'%s'", path);
}
