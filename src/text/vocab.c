/* Open addressing at a load of at most one half; a slot keeps the id, the entry keeps the hash. */
#include "text/vocab.h"

void vocab_init(vocab *v, context *cx) {
    *v = (vocab){.cx = cx, .blob.cx = cx};
}

void vocab_free(vocab *v) {
    text_free(&v->blob);
    context_release(v->cx, v->entries);
    context_release(v->cx, v->slots);
    vocab_init(v, v->cx);
}

static status grow_entries(vocab *v, int32_t id) {
    if (id < v->capacity) return STATUS_OK;
    int32_t wish = MAX_OF(MAX_OF(id + 1, 2 * v->capacity), 256);
    vocab_entry *bigger = context_alloc(v->cx, (size_t)wish * sizeof *bigger);
    if (!bigger) return context_status(v->cx);
    if (v->size) memcpy(bigger, v->entries, (size_t)v->size * sizeof *bigger);
    context_release(v->cx, v->entries);
    v->entries = bigger;
    v->capacity = wish;
    return STATUS_OK;
}

static bool holds(const vocab *v, int32_t id, const char *text, int64_t length, uint32_t hash) {
    const vocab_entry *e = v->entries + id;
    return e->hash == hash && e->length == length &&
           !memcmp(v->blob.bytes + e->at, text, (size_t)length);
}

/* The slot that holds the string, or the free one where it belongs. */
static int64_t slot_of(const vocab *v, const char *text, int64_t length, uint64_t hash) {
    int64_t mask = v->slot_count - 1, at = (int64_t)(hash >> 20) & mask;
    while (v->slots[at] && !holds(v, v->slots[at] - 1, text, length, (uint32_t)hash))
        at = (at + 1) & mask;
    return at;
}

static status grow_slots(vocab *v) {
    if (2 * (v->used + 1) <= v->slot_count) return STATUS_OK;
    int64_t wish = MAX_OF(2 * v->slot_count, 1024);
    int32_t *old = v->slots;
    int64_t old_count = v->slot_count;
    int32_t *slots = context_zalloc(v->cx, (size_t)wish * sizeof *slots);
    if (!slots) return context_status(v->cx);
    v->slots = slots;
    v->slot_count = wish;
    for (int64_t i = 0; i < old_count; i++) {
        if (!old[i]) continue;
        const vocab_entry *e = v->entries + old[i] - 1;
        const char *text = v->blob.bytes + e->at;
        v->slots[slot_of(v, text, e->length, text_hash(text, e->length))] = old[i];
    }
    context_release(v->cx, old);
    return STATUS_OK;
}

status vocab_add(vocab *v, const char *text, int64_t length, int64_t id) {
    if (id < 0 || id > VOCAB_MAX_ID)
        FAIL(v->cx, STATUS_BAD_DATA, "token id %lld is outside 0..%d", (long long)id, VOCAB_MAX_ID);
    if (length > INT32_MAX) FAIL(v->cx, STATUS_BAD_DATA, "token %lld is too long", (long long)id);
    if (id < v->size && v->entries[id].length >= 0)
        FAIL(v->cx, STATUS_BAD_DATA, "token id %lld is given twice", (long long)id);
    TRY(grow_entries(v, (int32_t)id));
    TRY(grow_slots(v));
    if (!length) text = "";
    uint64_t hash = text_hash(text, length);
    int64_t at = v->blob.length;
    TRY(text_reserve(&v->blob, length + 1)); /* a blob also for an empty text */
    TRY(text_append(&v->blob, text, length));
    while (v->size <= id) v->entries[v->size++] = (vocab_entry){.length = -1};
    v->entries[id] = (vocab_entry){.at = at, .length = (int32_t)length, .hash = (uint32_t)hash};
    int64_t slot = slot_of(v, text, length, hash);
    v->used += !v->slots[slot];
    v->slots[slot] = (int32_t)id + 1;
    v->longest_bytes = MAX_OF(v->longest_bytes, (int32_t)length);
    return STATUS_OK;
}

int32_t vocab_find(const vocab *v, const char *text, int64_t length) {
    if (!length) text = "";
    if (!v->slot_count || length > v->longest_bytes) return -1;
    return v->slots[slot_of(v, text, length, text_hash(text, length))] - 1;
}

const char *vocab_text(const vocab *v, int32_t id, int64_t *length) {
    if (id < 0 || id >= v->size || v->entries[id].length < 0) return NULL;
    *length = v->entries[id].length;
    return v->blob.bytes + v->entries[id].at;
}
