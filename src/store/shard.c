/* Numbers are stored as this machine holds them: all that Hone runs on are little-endian. */
#include "store/shard.h"
#include <string.h>

enum { BLOCK_BYTES = 1 << 20, FOOTER_BYTES = 40, COUNTS_BYTES = 24, STEP_IDS = 4096 };
static const char magic[8] = "HONETOK1";

static status list_append(context *cx, shard_list *l, uint64_t item) {
    if (l->count == l->capacity) {
        int64_t wish = MAX_OF(2 * l->capacity, 1024);
        uint64_t *wider = context_alloc(cx, (size_t)wish * sizeof *wider);
        if (!wider) return context_status(cx);
        if (l->count) memcpy(wider, l->item, (size_t)l->count * sizeof *wider);
        context_release(cx, l->item);
        l->item = wider;
        l->capacity = wish;
    }
    l->item[l->count++] = item;
    return STATUS_OK;
}

status shard_create(context *cx, const char *path, int64_t vocabulary, shard_writer *out) {
    *out = (shard_writer){.cx = cx, .id_bytes = vocabulary <= 1 << 16 ? 2 : 4};
    hash_xxh64_begin(&out->block, 0);
    hash_sha256_begin(&out->whole);
    TRY(file_create(cx, path, &out->file));
    status st = list_append(cx, &out->starts, 0);
    if (st != STATUS_OK) shard_abandon(out);
    return st;
}

static void release_lists(shard_writer *w) {
    context_release(w->cx, w->starts.item);
    context_release(w->cx, w->hashes.item);
    w->starts = w->hashes = (shard_list){0};
}

void shard_abandon(shard_writer *w) {
    if (!w->cx) return;
    file_abandon(&w->file);
    release_lists(w);
}

/* Writes bytes that no block covers. */
static status write_plain(shard_writer *w, const void *bytes, int64_t size_bytes) {
    hash_sha256_add(&w->whole, bytes, (size_t)size_bytes);
    return file_write(&w->file, bytes, size_bytes);
}

static status end_block(shard_writer *w) {
    TRY(list_append(w->cx, &w->hashes, hash_xxh64_value(&w->block)));
    hash_xxh64_begin(&w->block, 0);
    w->block_bytes = 0;
    return STATUS_OK;
}

static status write_hashed(shard_writer *w, const void *bytes, int64_t size_bytes) {
    const char *at = bytes;
    for (int64_t left = size_bytes; left > 0;) {
        int64_t n = MIN_OF(left, BLOCK_BYTES - w->block_bytes);
        hash_xxh64_add(&w->block, at, (size_t)n);
        w->block_bytes += n;
        if (w->block_bytes == BLOCK_BYTES) TRY(end_block(w));
        at += n;
        left -= n;
    }
    return write_plain(w, bytes, size_bytes);
}

status shard_add(shard_writer *w, const int32_t *ids, int64_t count) {
    w->ids += count;
    if (w->id_bytes == 4) return write_hashed(w, ids, 4 * count);
    uint16_t narrow[STEP_IDS];
    for (int64_t from = 0; from < count; from += STEP_IDS) {
        int64_t n = MIN_OF(count - from, STEP_IDS);
        for (int64_t i = 0; i < n; i++) narrow[i] = (uint16_t)ids[from + i];
        TRY(write_hashed(w, narrow, 2 * n));
    }
    return STATUS_OK;
}

status shard_end_document(shard_writer *w) {
    return list_append(w->cx, &w->starts, (uint64_t)w->ids);
}

static status write_end(shard_writer *w) {
    static const char zeros[8];
    int64_t used = w->ids * w->id_bytes;
    TRY(write_hashed(w, zeros, round_up(used, 8) - used));
    TRY(write_hashed(w, w->starts.item, w->starts.count * 8));
    if (w->block_bytes) TRY(end_block(w));
    TRY(write_plain(w, w->hashes.item, w->hashes.count * 8));
    char footer[FOOTER_BYTES] = {0};
    const uint64_t counts[2] = {(uint64_t)w->ids, (uint64_t)w->starts.count - 1};
    const uint32_t width = (uint32_t)w->id_bytes;
    memcpy(footer, counts, sizeof counts);
    memcpy(footer + sizeof counts, &width, sizeof width);
    hash_xxh64_state s;
    hash_xxh64_begin(&s, 0);
    if (w->hashes.count) hash_xxh64_add(&s, w->hashes.item, (size_t)w->hashes.count * 8);
    hash_xxh64_add(&s, footer, COUNTS_BYTES);
    const uint64_t sum = hash_xxh64_value(&s);
    memcpy(footer + COUNTS_BYTES, &sum, sizeof sum);
    memcpy(footer + COUNTS_BYTES + sizeof sum, magic, sizeof magic);
    return write_plain(w, footer, sizeof footer);
}

status shard_commit(shard_writer *w) {
    status st = write_end(w);
    if (st == STATUS_OK) {
        uint8_t digest[SHA256_BYTES];
        hash_sha256_value(&w->whole, digest);
        hash_sha256_text(digest, w->sha256);
        w->size_bytes = w->file.written_bytes;
        st = file_commit(&w->file);
    }
    shard_abandon(w);
    return st;
}

static uint64_t word_at(const char *bytes, int64_t index) {
    uint64_t word;
    memcpy(&word, bytes + 8 * index, sizeof word);
    return word;
}

static status read_footer(shard *s) {
    int64_t size_bytes = s->map.size_bytes;
    const char *footer = s->map.bytes + size_bytes - FOOTER_BYTES;
    if (size_bytes < FOOTER_BYTES ||
        memcmp(footer + FOOTER_BYTES - sizeof magic, magic, sizeof magic) != 0)
        FAIL(s->cx, STATUS_BAD_DATA,
             "'%s' is no whole token shard: it does not end in %.8s (%lld bytes)", s->path, magic,
             (long long)size_bytes);
    uint64_t ids = word_at(footer, 0), documents = word_at(footer, 1);
    uint32_t width;
    memcpy(&width, footer + 16, sizeof width);
    uint64_t most = (uint64_t)size_bytes;
    bool fits = (width == 2 || width == 4) && ids <= most && documents <= most;
    int64_t covered = fits ? round_up((int64_t)(ids * width), 8) + 8 * ((int64_t)documents + 1) : 0;
    int64_t blocks = div_up(covered, BLOCK_BYTES);
    if (!fits || covered + 8 * blocks + FOOTER_BYTES != size_bytes)
        FAIL(s->cx, STATUS_BAD_DATA,
             "'%s' is corrupt: %llu ids of %u bytes in %llu documents do not make %lld bytes",
             s->path, (unsigned long long)ids, width, (unsigned long long)documents,
             (long long)size_bytes);
    s->ids = (int64_t)ids;
    s->documents = (int64_t)documents;
    s->id_bytes = (int32_t)width;
    s->blocks = blocks;
    s->hashes = s->map.bytes + covered;
    s->starts = s->hashes - 8 * (s->documents + 1);
    uint64_t sum = hash_xxh64(s->hashes, (size_t)(8 * blocks + COUNTS_BYTES), 0);
    uint64_t expected = word_at(footer, 3);
    if (sum != expected)
        FAIL(s->cx, STATUS_BAD_DATA,
             "'%s' is corrupt: XXH64 of its list of hashes is %016llx, expected %016llx", s->path,
             (unsigned long long)sum, (unsigned long long)expected);
    return STATUS_OK;
}

status shard_open(context *cx, const char *path, shard *out) {
    *out = (shard){.cx = cx, .map.bytes = ""};
    size_t length = strlen(path) + 1;
    out->path = context_alloc(cx, length);
    status st = out->path ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        memcpy(out->path, path, length);
        st = file_map_open(cx, path, &out->map);
    }
    if (st == STATUS_OK) st = read_footer(out);
    if (st == STATUS_OK) {
        out->checked = context_zalloc(cx, (size_t)(out->blocks / 8 + 1));
        if (!out->checked) st = STATUS_NO_MEMORY;
    }
    if (st != STATUS_OK) shard_close(out);
    return st;
}

void shard_close(shard *s) {
    if (!s->cx) return;
    file_map_close(&s->map);
    context_release(s->cx, s->path);
    context_release(s->cx, s->checked);
    *s = (shard){.cx = s->cx, .map.bytes = ""};
}

status shard_check(shard *s, int64_t from, int64_t size_bytes) {
    int64_t covered = s->hashes - s->map.bytes;
    if (size_bytes <= 0) return STATUS_OK;
    for (int64_t b = from / BLOCK_BYTES; b <= (from + size_bytes - 1) / BLOCK_BYTES; b++) {
        if (s->checked[b / 8] >> b % 8 & 1) continue;
        int64_t begin = b * BLOCK_BYTES, length = MIN_OF(BLOCK_BYTES, covered - begin);
        uint64_t got = hash_xxh64(s->map.bytes + begin, (size_t)length, 0);
        uint64_t expected = word_at(s->hashes, b);
        if (got != expected)
            FAIL(s->cx, STATUS_BAD_DATA,
                 "'%s' is corrupt: XXH64 of bytes %lld..%lld is %016llx, expected %016llx; prepare "
                 "the data again",
                 s->path, (long long)begin, (long long)(begin + length - 1),
                 (unsigned long long)got, (unsigned long long)expected);
        s->checked[b / 8] |= (uint8_t)(1 << b % 8);
    }
    return STATUS_OK;
}

status shard_document(shard *s, int64_t document, int64_t *from, int64_t *to) {
    TRY(shard_check(s, s->starts - s->map.bytes + 8 * document, 16));
    uint64_t begin = word_at(s->starts, document), end = word_at(s->starts, document + 1);
    if (begin > end || end > (uint64_t)s->ids)
        FAIL(s->cx, STATUS_BAD_DATA, "'%s': document %lld is said to be ids %llu..%llu of %lld",
             s->path, (long long)document, (unsigned long long)begin, (unsigned long long)end,
             (long long)s->ids);
    *from = (int64_t)begin;
    *to = (int64_t)end;
    return STATUS_OK;
}

status shard_read(shard *s, int64_t from, int64_t count, int32_t *out) {
    TRY(shard_check(s, from * s->id_bytes, count * s->id_bytes));
    const char *at = s->map.bytes + from * s->id_bytes;
    if (s->id_bytes == 4) {
        if (count) memcpy(out, at, (size_t)count * 4);
        return STATUS_OK;
    }
    for (int64_t i = 0; i < count; i++) {
        uint16_t id;
        memcpy(&id, at + 2 * i, sizeof id);
        out[i] = id;
    }
    return STATUS_OK;
}
