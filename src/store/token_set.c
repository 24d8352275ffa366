/* Reading: the manifest, then every shard it names, whose counts must agree with it. */
#include "store/token_set.h"
#include "base/json.h"
#include <string.h>

enum { MOST_SHARDS = 100000 };
const char *const token_split_names[TOKEN_SPLITS + 1] = {"train", "validation", NULL};

typedef struct shard_entry {
    const char *file, *sha256;
    int64_t tokens, documents, size_bytes;
} shard_entry;

typedef struct shard_entries {
    shard_entry *item;
    int64_t count, capacity;
} shard_entries;

static status keep_text(token_set *s, json *j, const char **out) {
    json_text text;
    TRY(json_string(j, &text));
    if (memchr(text.bytes, 0, (size_t)text.length))
        return json_fail(j, STATUS_BAD_DATA, "a zero byte in a text");
    *out = arena_strndup(&s->memory, text.bytes, (size_t)text.length);
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

/* A name with a folder in it could point anywhere. */
static status keep_file(token_set *s, json *j, const char **out) {
    const char *name = "";
    TRY(keep_text(s, j, &name));
    if (!*name || strchr(name, '/') || name[0] == '.')
        return json_fail(j, STATUS_BAD_DATA, "'%.200s' does not name a file beside the manifest",
                         name);
    *out = arena_printf(&s->memory, "%s/%s", s->folder, name);
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

static status keep_sha256(token_set *s, json *j, const char **out) {
    TRY(keep_text(s, j, out));
    if (strlen(*out) != SHA256_TEXT_BYTES - 1)
        return json_fail(j, STATUS_BAD_DATA, "a SHA-256 has %d digits", SHA256_TEXT_BYTES - 1);
    return STATUS_OK;
}

static status read_shard(token_set *s, json *j, shard_entry *e) {
    *e = (shard_entry){.tokens = -1, .documents = -1, .size_bytes = -1};
    TRY(json_enter_object(j));
    for (;;) {
        bool more;
        json_text key;
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        if (json_is(key, "file"))
            TRY(keep_file(s, j, &e->file));
        else if (json_is(key, "sha256"))
            TRY(keep_sha256(s, j, &e->sha256));
        else if (json_is(key, "tokens"))
            TRY(json_integer(j, 0, INT64_MAX, &e->tokens));
        else if (json_is(key, "documents"))
            TRY(json_integer(j, 0, INT64_MAX, &e->documents));
        else if (json_is(key, "bytes"))
            TRY(json_integer(j, 0, INT64_MAX, &e->size_bytes));
        else
            TRY(json_skip(j));
    }
    if (!e->file || !e->sha256 || e->tokens < 0 || e->documents < 0 || e->size_bytes < 0)
        return json_fail(j, STATUS_BAD_DATA,
                         "a shard needs file, sha256, tokens, documents and bytes");
    return STATUS_OK;
}

static status read_shards(token_set *s, json *j, shard_entries *list) {
    TRY(json_enter_array(j));
    for (;;) {
        bool more;
        shard_entry e;
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        if (list->count == MOST_SHARDS)
            return json_fail(j, STATUS_UNSUPPORTED, "more than %d shards", MOST_SHARDS);
        TRY(read_shard(s, j, &e));
        if (list->count == list->capacity) {
            int64_t wish = MAX_OF(2 * list->capacity, 16);
            shard_entry *wider = ARENA_NEW(&s->memory, shard_entry, wish);
            if (!wider) return STATUS_NO_MEMORY;
            if (list->count) memcpy(wider, list->item, (size_t)list->count * sizeof *wider);
            *list = (shard_entries){wider, list->count, wish};
        }
        list->item[list->count++] = e;
    }
}

static status read_part(token_set *s, json *j, token_part *part, shard_entries *list) {
    TRY(json_enter_object(j));
    for (;;) {
        bool more;
        json_text key;
        TRY(json_next_key(j, &more, &key));
        if (!more) return STATUS_OK;
        if (json_is(key, "tokens"))
            TRY(json_integer(j, 0, INT64_MAX, &part->tokens));
        else if (json_is(key, "documents"))
            TRY(json_integer(j, 0, INT64_MAX, &part->documents));
        else if (json_is(key, "shards"))
            TRY(read_shards(s, j, list));
        else
            TRY(json_skip(j));
    }
}

static status read_splits(token_set *s, json *j, shard_entries *lists) {
    TRY(json_enter_object(j));
    for (;;) {
        bool more;
        json_text key;
        TRY(json_next_key(j, &more, &key));
        if (!more) return STATUS_OK;
        int split = 0;
        while (split < TOKEN_SPLITS && !json_is(key, token_split_names[split])) split++;
        if (split == TOKEN_SPLITS)
            return json_fail(j, STATUS_UNSUPPORTED, "there is no split '%.*s'",
                             (int)MIN_OF(key.length, 100), key.bytes);
        TRY(read_part(s, j, s->part + split, lists + split));
    }
}

static status read_tokenizer(token_set *s, json *j) {
    TRY(json_enter_object(j));
    for (;;) {
        bool more;
        json_text key;
        TRY(json_next_key(j, &more, &key));
        if (!more) return STATUS_OK;
        if (json_is(key, "file"))
            TRY(keep_file(s, j, &s->tokenizer));
        else if (json_is(key, "sha256"))
            TRY(keep_sha256(s, j, &s->tokenizer_sha256));
        else
            TRY(json_skip(j));
    }
}

static status read_id(const token_set *s, json *j, int32_t *out) {
    json_kind kind;
    int64_t id;
    TRY(json_peek(j, &kind));
    if (kind == JSON_NULL) return json_skip(j);
    TRY(json_integer(j, 0, INT32_MAX, &id));
    if (s->vocabulary && id >= s->vocabulary)
        return json_fail(j, STATUS_BAD_DATA, "id %lld is outside the vocabulary of %lld",
                         (long long)id, (long long)s->vocabulary);
    *out = (int32_t)id;
    return STATUS_OK;
}

static status read_format(json *j) {
    json_text text;
    TRY(json_string(j, &text));
    if (json_is(text, "hone-tokens-1")) return STATUS_OK;
    return json_fail(j, STATUS_UNSUPPORTED, "format '%.*s', expected 'hone-tokens-1'",
                     (int)MIN_OF(text.length, 100), text.bytes);
}

static status read_manifest(token_set *s, json *j, shard_entries *lists) {
    bool format = false;
    TRY(json_enter_object(j));
    for (;;) {
        bool more;
        json_text key;
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        if (json_is(key, "format")) {
            TRY(read_format(j));
            format = true;
        } else if (json_is(key, "vocabulary")) {
            TRY(json_integer(j, 1, INT32_MAX, &s->vocabulary));
        } else if (json_is(key, "begin")) {
            TRY(read_id(s, j, &s->begin));
        } else if (json_is(key, "end")) {
            TRY(read_id(s, j, &s->end));
        } else if (json_is(key, "tokenizer")) {
            TRY(read_tokenizer(s, j));
        } else if (json_is(key, "splits")) {
            TRY(read_splits(s, j, lists));
        } else {
            TRY(json_skip(j));
        }
    }
    if (!format || !s->vocabulary || !s->tokenizer || !s->tokenizer_sha256)
        return json_fail(j, STATUS_BAD_DATA, "format, vocabulary or tokenizer is missing");
    return json_finish(j);
}

static status open_shards(token_set *s, token_part *part, const shard_entries *list,
                          const char *split) {
    int64_t tokens = 0, documents = 0;
    part->shards = ARENA_NEW(&s->memory, shard, MAX_OF(list->count, 1));
    const char **sha256 = ARENA_NEW(&s->memory, const char *, MAX_OF(list->count, 1));
    if (!part->shards || !sha256) return STATUS_NO_MEMORY;
    part->sha256 = sha256;
    for (int64_t i = 0; i < list->count; i++) {
        const shard_entry *e = list->item + i;
        shard *d = part->shards + i;
        TRY(shard_open(s->cx, e->file, d));
        part->n_shards = i + 1;
        sha256[i] = e->sha256;
        if (d->ids != e->tokens || d->documents != e->documents ||
            d->map.size_bytes != e->size_bytes)
            FAIL(s->cx, STATUS_BAD_DATA,
                 "'%s' holds %lld ids in %lld documents, the manifest says %lld in %lld", e->file,
                 (long long)d->ids, (long long)d->documents, (long long)e->tokens,
                 (long long)e->documents);
        tokens += d->ids;
        documents += d->documents;
    }
    if (tokens != part->tokens || documents != part->documents)
        FAIL(s->cx, STATUS_BAD_DATA, "split '%s' of '%s' holds %lld tokens, its manifest says %lld",
             split, s->folder, (long long)tokens, (long long)part->tokens);
    return STATUS_OK;
}

static status open_all(token_set *s) {
    shard_entries lists[TOKEN_SPLITS] = {0};
    file_map map;
    const char *path = arena_printf(&s->memory, "%s/manifest.json", s->folder);
    if (!path) return STATUS_NO_MEMORY;
    if (file_is_folder(s->folder) && !file_exists(path))
        FAIL(s->cx, STATUS_BAD_DATA,
             "'%s' holds no manifest.json: it was not made by `hone data prepare`, or that was "
             "interrupted",
             s->folder);
    TRY(file_map_open(s->cx, path, &map));
    uint8_t digest[SHA256_BYTES];
    hash_sha256(map.bytes, (size_t)map.size_bytes, digest);
    hash_sha256_text(digest, s->sha256);
    json j = json_make(s->cx, path, map.bytes, map.size_bytes, NULL);
    status st = read_manifest(s, &j, lists);
    json_free(&j);
    file_map_close(&map);
    for (int i = 0; i < TOKEN_SPLITS && st == STATUS_OK; i++)
        st = open_shards(s, s->part + i, lists + i, token_split_names[i]);
    return st;
}

status token_set_open(context *cx, const char *folder, token_set *out) {
    *out = (token_set){.cx = cx, .memory = arena_make(cx), .begin = -1, .end = -1};
    out->folder = arena_strdup(&out->memory, folder);
    status st = out->folder ? open_all(out) : STATUS_NO_MEMORY;
    if (st != STATUS_OK) token_set_close(out);
    return st;
}

void token_set_close(token_set *s) {
    if (!s->cx) return;
    for (int i = 0; i < TOKEN_SPLITS; i++) {
        for (int64_t k = 0; k < s->part[i].n_shards; k++) shard_close(s->part[i].shards + k);
    }
    arena_free(&s->memory);
    *s = (token_set){0};
}

static status verify_file(token_set *s, const char *path, const char *bytes, int64_t size_bytes,
                          const char *expected) {
    uint8_t digest[SHA256_BYTES];
    char got[SHA256_TEXT_BYTES];
    hash_sha256(bytes, (size_t)size_bytes, digest);
    hash_sha256_text(digest, got);
    if (strcmp(got, expected) != 0)
        FAIL(s->cx, STATUS_BAD_DATA,
             "'%s' is corrupt: its SHA-256 is %s, the manifest says %s; prepare the data again",
             path, got, expected);
    return STATUS_OK;
}

status token_set_verify(token_set *s) {
    file_map map;
    TRY(file_map_open(s->cx, s->tokenizer, &map));
    status st = verify_file(s, s->tokenizer, map.bytes, map.size_bytes, s->tokenizer_sha256);
    file_map_close(&map);
    for (int i = 0; i < TOKEN_SPLITS && st == STATUS_OK; i++) {
        const token_part *p = s->part + i;
        for (int64_t k = 0; k < p->n_shards && st == STATUS_OK; k++) {
            const file_map *m = &p->shards[k].map;
            st = verify_file(s, p->shards[k].path, m->bytes, m->size_bytes, p->sha256[k]);
        }
    }
    return st;
}
