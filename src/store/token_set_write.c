/* Writing: one shard of each split is open at a time; what is finished is remembered for the manifest. */
#include "base/json_write.h"
#include "store/token_set.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_IDS = 1 << 16 };

typedef struct finished_shard {
    struct finished_shard *next;
    char *file, *path;
    int64_t tokens, documents, size_bytes;
    char sha256[SHA256_TEXT_BYTES];
} finished_shard;

typedef struct token_part_writer {
    const char *name;
    finished_shard *first, *last;
    shard_writer now;
    bool open;
    int64_t n_shards, tokens, documents; /* documents: ended */
    bool inside;
} token_part_writer;

static bool is_leftover(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && (!strcmp(dot, ".tok") || strstr(name, ".tok.tmp-") || strstr(name, ".json.tmp-"));
}

/* What a killed writer left goes; anything else stays, and stops us. */
static status clear_folder(context *cx, const char *folder, bool remove_all) {
    DIR *dir = opendir(folder);
    if (!dir) FAIL(cx, STATUS_IO, "'%s': %s", folder, strerror(errno));
    status st = STATUS_OK;
    for (struct dirent *e; st == STATUS_OK && (e = readdir(dir));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (!remove_all && !is_leftover(e->d_name))
            st = context_fail(cx, STATUS_BAD_ARGUMENT,
                              "'%s' already holds '%s'; nothing is overwritten: remove the folder "
                              "or name another",
                              folder, e->d_name);
        else if (remove_all && unlinkat(dirfd(dir), e->d_name, 0))
            st = context_fail(cx, STATUS_IO, "removing '%s/%s': %s", folder, e->d_name,
                              strerror(errno));
    }
    closedir(dir);
    return st;
}

status token_set_create(context *cx, const char *folder, int64_t vocabulary, int64_t shard_bytes,
                        token_set_writer *out) {
    *out = (token_set_writer){
        .cx = cx, .memory = arena_make(cx), .vocabulary = vocabulary, .shard_bytes = shard_bytes};
    out->folder = arena_strdup(&out->memory, folder);
    out->part = ARENA_NEW(&out->memory, token_part_writer, TOKEN_SPLITS);
    status st = out->folder && out->part ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK && mkdir(folder, 0777)) {
        if (errno != EEXIST)
            st = context_fail(cx, STATUS_IO, "making '%s': %s", folder, strerror(errno));
        if (st == STATUS_OK) st = clear_folder(cx, folder, false);
        if (st == STATUS_OK) st = clear_folder(cx, folder, true);
    }
    if (st != STATUS_OK) {
        arena_free(&out->memory);
        *out = (token_set_writer){0};
        return st;
    }
    for (int i = 0; i < TOKEN_SPLITS; i++) out->part[i].name = token_split_names[i];
    return STATUS_OK;
}

static char *shard_path(token_set_writer *w, const token_part_writer *p, const char **file) {
    char *path =
        arena_printf(&w->memory, "%s/%s-%05lld.tok", w->folder, p->name, (long long)p->n_shards);
    if (path) *file = path + strlen(w->folder) + 1;
    return path;
}

static status append_shard(token_set_writer *w, token_part_writer *p, finished_shard s) {
    finished_shard *kept = ARENA_NEW(&w->memory, finished_shard, 1);
    const char *file;
    if (!kept) return STATUS_NO_MEMORY;
    *kept = s;
    kept->next = NULL;
    kept->path = shard_path(w, p, &file);
    if (!kept->path) return STATUS_NO_MEMORY;
    kept->file = kept->path + (file - kept->path);
    p->n_shards++;
    *(p->last ? &p->last->next : &p->first) = kept;
    p->last = kept;
    return STATUS_OK;
}

static status finish_shard(token_set_writer *w, token_part_writer *p) {
    if (!p->open) return STATUS_OK;
    p->open = false;
    finished_shard s = {.tokens = p->now.ids, .documents = p->now.starts.count - 1};
    TRY(shard_commit(&p->now));
    memcpy(s.sha256, p->now.sha256, sizeof s.sha256);
    s.size_bytes = p->now.size_bytes;
    return append_shard(w, p, s);
}

static status open_shard(token_set_writer *w, token_part_writer *p) {
    const char *file;
    char *path = shard_path(w, p, &file);
    if (!path) return STATUS_NO_MEMORY;
    TRY(shard_create(w->cx, path, w->vocabulary, &p->now));
    p->open = true;
    return STATUS_OK;
}

status token_set_add(token_set_writer *w, token_split split, const int32_t *ids, int64_t count) {
    token_part_writer *p = w->part + split;
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= w->vocabulary)
            FAIL(w->cx, STATUS_BUG, "id %d is outside the vocabulary of %lld", ids[i],
                 (long long)w->vocabulary);
    }
    if (!p->open) TRY(open_shard(w, p));
    p->inside = true;
    p->tokens += count;
    return shard_add(&p->now, ids, count);
}

status token_set_end_document(token_set_writer *w, token_split split) {
    token_part_writer *p = w->part + split;
    if (!p->inside) return STATUS_OK;
    p->inside = false;
    p->documents++;
    TRY(shard_end_document(&p->now));
    return p->now.ids * p->now.id_bytes >= w->shard_bytes ? finish_shard(w, p) : STATUS_OK;
}

void token_set_counts(const token_set_writer *w, token_split split, int64_t *documents,
                      int64_t *ids) {
    *documents = w->part[split].documents + w->part[split].inside;
    *ids = w->part[split].tokens;
}

/* The ids [from, to) of the shard, in the documents they are in, to a split. */
static status copy_ids(token_set_writer *w, shard *s, int64_t from, int64_t to, token_split split,
                       int32_t *step) {
    for (int64_t d = 0; d < s->documents; d++) {
        int64_t begin, end;
        TRY(shard_document(s, d, &begin, &end));
        begin = MAX_OF(begin, from);
        end = MIN_OF(end, to);
        if (begin >= end) continue;
        for (int64_t at = begin; at < end; at += COPY_IDS) {
            int64_t n = MIN_OF(end - at, COPY_IDS);
            TRY(shard_read(s, at, n, step));
            TRY(token_set_add(w, split, step, n));
        }
        TRY(token_set_end_document(w, split));
    }
    return STATUS_OK;
}

/* Rewrites one finished shard as the end of training and the begin of validation. */
static status cut_shard(token_set_writer *w, const finished_shard *old, int64_t cut) {
    shard s;
    int32_t *step = context_alloc(w->cx, COPY_IDS * sizeof *step);
    if (!step) return STATUS_NO_MEMORY;
    status st = shard_open(w->cx, old->path, &s);
    if (st == STATUS_OK) {
        st = copy_ids(w, &s, 0, cut, TOKENS_TRAIN, step);
        if (st == STATUS_OK) st = finish_shard(w, w->part + TOKENS_TRAIN);
        if (st == STATUS_OK) st = copy_ids(w, &s, cut, s.ids, TOKENS_VALIDATION, step);
        if (st == STATUS_OK) st = finish_shard(w, w->part + TOKENS_VALIDATION);
    }
    shard_close(&s);
    context_release(w->cx, step);
    return st;
}

/* The shard as it is, under its new number in a split. */
static status move_shard(token_set_writer *w, finished_shard s, token_split split) {
    token_part_writer *p = w->part + split;
    TRY(append_shard(w, p, s));
    p->tokens += s.tokens;
    p->documents += s.documents;
    if (strcmp(s.path, p->last->path) != 0 && rename(s.path, p->last->path))
        FAIL(w->cx, STATUS_IO, "renaming '%s': %s", s.path, strerror(errno));
    return STATUS_OK;
}

status token_set_split_end(token_set_writer *w, double fraction) {
    token_part_writer *p = w->part + TOKENS_TRAIN;
    TRY(finish_shard(w, p));
    int64_t cut = (int64_t)((double)p->tokens * (1 - fraction)), at = 0;
    const finished_shard *old = p->first;
    *p = (token_part_writer){.name = p->name};
    for (; old; old = old->next) {
        int64_t from = at, to = at += old->tokens;
        if (to <= cut || from >= cut) {
            TRY(move_shard(w, *old, to <= cut ? TOKENS_TRAIN : TOKENS_VALIDATION));
            continue;
        }
        finished_shard aside = *old;
        aside.path = arena_printf(&w->memory, "%s.cut.tok", old->path);
        if (!aside.path) return STATUS_NO_MEMORY;
        if (rename(old->path, aside.path))
            FAIL(w->cx, STATUS_IO, "renaming '%s': %s", old->path, strerror(errno));
        TRY(cut_shard(w, &aside, cut - from));
        if (unlink(aside.path))
            FAIL(w->cx, STATUS_IO, "removing '%s': %s", aside.path, strerror(errno));
    }
    return STATUS_OK;
}

static void write_part(json_writer *j, const token_part_writer *p) {
    json_write_key(j, p->name);
    json_write_object(j);
    json_write_integer_field(j, "tokens", p->tokens);
    json_write_integer_field(j, "documents", p->documents);
    json_write_key(j, "shards");
    json_write_array(j);
    for (const finished_shard *s = p->first; s; s = s->next) {
        json_write_object(j);
        json_write_string_field(j, "file", s->file);
        json_write_integer_field(j, "tokens", s->tokens);
        json_write_integer_field(j, "documents", s->documents);
        json_write_integer_field(j, "bytes", s->size_bytes);
        json_write_string_field(j, "sha256", s->sha256);
        json_write_object_end(j);
    }
    json_write_array_end(j);
    json_write_object_end(j);
}

static void write_id(json_writer *j, const char *key, int32_t id) {
    json_write_key(j, key);
    if (id < 0)
        json_write_null(j);
    else
        json_write_integer(j, id);
}

static void write_manifest(json_writer *j, const token_set_writer *w, const token_set_facts *f,
                           const char *tokenizer_sha256) {
    json_write_object(j);
    json_write_string_field(j, "format", "hone-tokens-1");
    json_write_integer_field(j, "vocabulary", w->vocabulary);
    write_id(j, "begin", f->begin);
    write_id(j, "end", f->end);
    json_write_key(j, "tokenizer");
    json_write_object(j);
    json_write_string_field(j, "file", f->tokenizer);
    json_write_string_field(j, "sha256", tokenizer_sha256);
    json_write_object_end(j);
    json_write_key(j, "splits");
    json_write_object(j);
    for (int i = 0; i < TOKEN_SPLITS; i++) write_part(j, w->part + i);
    json_write_object_end(j);
    json_write_key(j, "sources");
    json_write_array(j);
    for (int64_t i = 0; i < f->n_sources; i++) {
        json_write_object(j);
        json_write_string_field(j, "name", f->sources[i].name);
        json_write_integer_field(j, "bytes", f->sources[i].size_bytes);
        json_write_string_field(j, "sha256", f->sources[i].sha256);
        json_write_object_end(j);
    }
    json_write_array_end(j);
    json_write_object_end(j);
}

status token_set_commit(token_set_writer *w, const token_set_facts *facts) {
    char sha256[SHA256_TEXT_BYTES];
    for (int i = 0; i < TOKEN_SPLITS; i++) TRY(finish_shard(w, w->part + i));
    const char *tokenizer = arena_printf(&w->memory, "%s/%s", w->folder, facts->tokenizer);
    const char *path = arena_printf(&w->memory, "%s/manifest.json", w->folder);
    if (!tokenizer || !path) return STATUS_NO_MEMORY;
    TRY(file_sha256(w->cx, tokenizer, sha256));
    json_writer j = json_writer_to_buffer(w->cx, 2);
    write_manifest(&j, w, facts, sha256);
    status st = json_writer_finish(&j);
    if (st == STATUS_OK) st = file_write_whole(w->cx, path, j.bytes, j.size);
    json_writer_free(&j);
    if (st == STATUS_OK) w->committed = true;
    return st;
}

void token_set_abandon(token_set_writer *w) {
    if (!w->cx) return;
    for (int i = 0; i < TOKEN_SPLITS; i++) {
        token_part_writer *p = w->part + i;
        if (p->open) shard_abandon(&p->now);
        for (finished_shard *s = p->first; s && !w->committed; s = s->next) unlink(s->path);
    }
    if (!w->committed) rmdir(w->folder);
    arena_free(&w->memory);
    *w = (token_set_writer){0};
}
