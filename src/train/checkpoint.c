#include "train/checkpoint.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/json_write.h"
#include "store/safetensors.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define KEY "hone.checkpoint"
#define KEY_HASH "hone.xxh64"
enum { FORMAT = 1, HASH_TEXT_BYTES = 17 };

bool checkpoint_holds(const state *s) {
    return s->tag == TAG_PARAMETER || s->tag == TAG_OPTIMISER;
}

static void hash_text(const void *data, int64_t size_bytes, char out[HASH_TEXT_BYTES]) {
    snprintf(out, HASH_TEXT_BYTES, "%016llx",
             (unsigned long long)hash_xxh64(data, (size_t)size_bytes, 0));
}

/* safetensors' name of a format: the same in capitals. */
static const char *dtype_of(arena *mem, const num_format *f) {
    char *name = arena_strdup(mem, f->name);
    for (char *c = name; c && *c; c++)
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
    return name && safetensors_find_dtype(name) ? name : NULL;
}

/* ---- writing ---- */

static void write_progress(json_writer *w, const progress_state *at) {
    json_write_key(w, "progress");
    json_write_object(w);
    json_write_integer_field(w, "step", at->step);
    json_write_integer_field(w, "tokens", at->tokens);
    json_write_number_field(w, "seconds", at->seconds);
    json_write_number_field(w, "train_loss", at->train_loss);
    json_write_number_field(w, "running_loss", at->running_loss);
    if (isfinite(at->validation_loss))
        json_write_number_field(w, "validation_loss", at->validation_loss);
    if (isfinite(at->best_loss)) json_write_number_field(w, "best_loss", at->best_loss);
    json_write_integer_field(w, "best_step", at->best_step);
    json_write_integer_field(w, "rewinds", at->rewinds);
    json_write_string_field(w, "data", at->data);
    json_write_string_field(w, "job", at->job);
    json_write_object_end(w);
}

static status describe(json_writer *w, const safetensors_source *tensors, int64_t n,
                       const states *s, const progress_state *at) {
    char hash[HASH_TEXT_BYTES];
    json_write_object(w);
    json_write_integer_field(w, "format", FORMAT);
    write_progress(w, at);
    json_write_key(w, "xxh64");
    json_write_object(w);
    for (int64_t i = 0; i < n; i++) {
        hash_text(tensors[i].data, states_find(s, tensors[i].name)->size_bytes, hash);
        json_write_string_field(w, tensors[i].name, hash);
    }
    json_write_object_end(w);
    json_write_object_end(w);
    return json_writer_finish(w);
}

static status list_tensors(context *cx, const states *s, arena *mem, safetensors_source **out,
                           int64_t *n) {
    *n = 0;
    *out = ARENA_NEW(mem, safetensors_source, states_count(s) + 1);
    if (!*out) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < states_count(s); i++) {
        const state *at = states_at(s, i);
        if (!checkpoint_holds(at)) continue;
        safetensors_source *to = &(*out)[(*n)++];
        *to = (safetensors_source){.name = at->name,
                                   .dtype = dtype_of(mem, at->t.format),
                                   .n_dims = at->t.rank,
                                   .data = at->t.data};
        memcpy(to->shape, at->t.dim, (size_t)at->t.rank * sizeof *to->shape);
        if (!to->dtype)
            FAIL(cx, STATUS_UNSUPPORTED, "state '%s' is %s, which checkpoints cannot hold",
                 at->name, at->t.format->name);
    }
    return STATUS_OK;
}

static status write_in(context *cx, const char *path, const states *s, const progress_state *at,
                       arena *mem, json_writer *w) {
    safetensors_source *tensors;
    int64_t n;
    char hash[HASH_TEXT_BYTES];
    TRY(list_tensors(cx, s, mem, &tensors, &n));
    TRY(describe(w, tensors, n, s, at));
    hash_text(w->bytes, w->size, hash);
    safetensors_pair pairs[] = {{KEY, w->bytes}, {KEY_HASH, hash}};
    safetensors_contents contents = {
        .tensors = tensors, .n_tensors = n, .metadata = pairs, .n_metadata = COUNT_OF(pairs)};
    return safetensors_write(cx, path, &contents);
}

status checkpoint_write(context *cx, const char *path, const states *s, const progress_state *at) {
    arena mem = arena_make(cx);
    json_writer w = json_writer_to_buffer(cx, 0);
    status st = write_in(cx, path, s, at, &mem, &w);
    json_writer_free(&w);
    arena_free(&mem);
    return st == STATUS_OK ? st : context_note(cx, st, "writing checkpoint '%s'", path);
}

/* ---- reading ---- */

static char *copy_text(arena *mem, json_text text) {
    return arena_strndup(mem, text.bytes, (size_t)text.length);
}

static status read_text(json *j, arena *mem, const char **out) {
    json_text text;
    TRY(json_string(j, &text));
    *out = copy_text(mem, text);
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

static status read_progress(json *j, arena *mem, progress_state *at) {
    const struct {
        const char *key;
        int64_t *whole;
        double *number;
        const char **text;
    } fields[] = {{"step", &at->step, NULL, NULL},
                  {"tokens", &at->tokens, NULL, NULL},
                  {"seconds", NULL, &at->seconds, NULL},
                  {"train_loss", NULL, &at->train_loss, NULL},
                  {"running_loss", NULL, &at->running_loss, NULL},
                  {"validation_loss", NULL, &at->validation_loss, NULL},
                  {"best_loss", NULL, &at->best_loss, NULL},
                  {"best_step", &at->best_step, NULL, NULL},
                  {"rewinds", &at->rewinds, NULL, NULL},
                  {"data", NULL, NULL, &at->data},
                  {"job", NULL, NULL, &at->job}};
    json_text key;
    bool more;
    TRY(json_enter_object(j));
    for (;;) {
        int64_t i = 0;
        TRY(json_next_key(j, &more, &key));
        if (!more) return STATUS_OK;
        while (i < COUNT_OF(fields) && !json_is(key, fields[i].key)) i++;
        if (i == COUNT_OF(fields)) return json_fail(j, STATUS_BAD_DATA, "an unknown key");
        if (fields[i].whole) TRY(json_integer(j, 0, INT64_MAX, fields[i].whole));
        if (fields[i].number) TRY(json_number(j, -HUGE_VAL, HUGE_VAL, fields[i].number));
        if (fields[i].text) TRY(read_text(j, mem, fields[i].text));
    }
}

/* Hash and type of one tensor, as listed, against the file and the store. */
static status check_tensor(context *cx, const safetensors *file, const states *s, const char *name,
                           json_text expected) {
    const safetensors_tensor *t = safetensors_find(file, name);
    const state *to = states_find(s, name);
    char hash[HASH_TEXT_BYTES];
    if (!t) FAIL(cx, STATUS_BAD_DATA, "tensor '%s' is missing", name);
    if (!to || !checkpoint_holds(to))
        FAIL(cx, STATUS_BAD_ARGUMENT, "it holds '%s', which this job does not have", name);
    int32_t d = 0, rank = MIN_OF(t->n_dims, to->t.rank);
    while (d < rank && t->shape[d] == to->t.dim[d]) d++;
    if (t->n_dims != to->t.rank || d < rank || t->size_bytes != to->size_bytes)
        FAIL(cx, STATUS_BAD_ARGUMENT,
             "tensor '%s' has another shape or type than in this job (extents from axis %d on: "
             "%lld and %lld)",
             name, d, d < t->n_dims ? (long long)t->shape[d] : 1LL,
             d < to->t.rank ? (long long)to->t.dim[d] : 1LL);
    hash_text(t->data, t->size_bytes, hash);
    if (expected.length != HASH_TEXT_BYTES - 1 || memcmp(hash, expected.bytes, HASH_TEXT_BYTES - 1))
        FAIL(cx, STATUS_BAD_DATA, "tensor '%s' is corrupt: its XXH64 is %s, not %.*s", name, hash,
             (int)expected.length, expected.bytes);
    return STATUS_OK;
}

static status check_tensors(json *j, const safetensors *file, const states *s, arena *mem) {
    int64_t listed = 0, wanted = 0;
    json_text key, hash;
    bool more;
    TRY(json_enter_object(j));
    for (;; listed++) {
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        char *name = copy_text(mem, key);
        if (!name) return STATUS_NO_MEMORY;
        TRY(json_string(j, &hash));
        TRY(check_tensor(j->cx, file, s, name, hash));
    }
    for (int32_t i = 0; i < states_count(s); i++) {
        const state *at = states_at(s, i);
        wanted += checkpoint_holds(at);
        if (checkpoint_holds(at) && !safetensors_find(file, at->name))
            FAIL(j->cx, STATUS_BAD_ARGUMENT, "it lacks '%s', which this job has", at->name);
    }
    if (listed != wanted || listed != file->n_tensors)
        FAIL(j->cx, STATUS_BAD_DATA, "it lists %lld tensors and holds %lld", (long long)listed,
             (long long)file->n_tensors);
    return STATUS_OK;
}

static const char *find_pair(const safetensors *file, const char *key) {
    for (int64_t i = 0; i < file->n_metadata; i++)
        if (!strcmp(file->metadata[i].key, key)) return file->metadata[i].value;
    return NULL;
}

static status read_description(json *j, const safetensors *file, const states *s, arena *mem,
                               progress_state *at) {
    json_text key;
    bool more;
    int64_t format;
    TRY(json_enter_object(j));
    for (;;) {
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        if (json_is(key, "format"))
            TRY(json_integer(j, FORMAT, FORMAT, &format));
        else if (json_is(key, "progress"))
            TRY(read_progress(j, mem, at));
        else if (json_is(key, "xxh64"))
            TRY(check_tensors(j, file, s, mem));
        else
            TRY(json_skip(j));
    }
    TRY(json_finish(j));
    if (!at->data || !at->job) FAIL(j->cx, STATUS_BAD_DATA, "it does not say where the run was");
    return STATUS_OK;
}

static status read_in(context *cx, const safetensors *file, const states *s, arena *mem,
                      progress_state *at) {
    const char *text = find_pair(file, KEY), *hash = find_pair(file, KEY_HASH);
    char is[HASH_TEXT_BYTES];
    if (!text || !hash) FAIL(cx, STATUS_BAD_DATA, "it is not a checkpoint of hone train");
    hash_text(text, (int64_t)strlen(text), is);
    if (strcmp(is, hash) != 0)
        FAIL(cx, STATUS_BAD_DATA, "its description is corrupt: its XXH64 is %s, not %s", is, hash);
    json j = json_make(cx, KEY, text, (int64_t)strlen(text), NULL);
    status st = read_description(&j, file, s, mem, at);
    json_free(&j);
    TRY(st);
    for (int64_t i = 0; i < file->n_tensors; i++) {
        const safetensors_tensor *t = &file->tensors[i];
        memcpy(states_find(s, t->name)->t.data, t->data, (size_t)t->size_bytes);
    }
    return STATUS_OK;
}

status checkpoint_read(context *cx, const char *path, const states *s, arena *mem,
                       progress_state *at) {
    safetensors file = {0};
    *at = (progress_state){.validation_loss = NAN, .best_loss = INFINITY};
    if (!file_exists(path)) FAIL(cx, STATUS_IO, "there is no checkpoint '%s'", path);
    TRY(safetensors_open(cx, path, &file));
    status st = read_in(cx, &file, s, mem, at);
    safetensors_close(&file);
    return st == STATUS_OK ? st : context_note(cx, st, "checkpoint '%s'", path);
}

status checkpoint_same_job(context *cx, const char *saved, const char *wanted) {
    while (*saved || *wanted) {
        size_t a = strcspn(saved, "\n"), b = strcspn(wanted, "\n");
        if (a != b || memcmp(saved, wanted, a) != 0)
            FAIL(cx, STATUS_BAD_ARGUMENT,
                 "a run resumes with what it began with: it says '%.*s', the job says '%.*s'",
                 (int)a, saved, (int)b, wanted);
        saved += a + (saved[a] == '\n');
        wanted += b + (wanted[b] == '\n');
    }
    return STATUS_OK;
}
