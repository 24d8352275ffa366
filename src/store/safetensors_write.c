/* Writing: sizes are known before a byte is written, so the header comes first and the data
 * streams. */
#include "base/json_write.h"
#include "store/safetensors.h"
#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 8 };
static const int64_t default_shard_bytes = 5000000000;

typedef struct item {
    const safetensors_source *source;
    int64_t index; /* in the contents */
    int64_t size_bytes;
    int32_t bits, shard;
} item;

static int by_width_and_name(const void *a, const void *b) {
    const item *x = a, *y = b;
    if (x->bits != y->bits) return x->bits > y->bits ? -1 : 1;
    return strcmp(x->source->name, y->source->name);
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(const item *const *)a)->source->name, (*(const item *const *)b)->source->name);
}

static status measure(context *cx, const safetensors_contents *c, item *items) {
    for (int64_t i = 0; i < c->n_tensors; i++) {
        const safetensors_source *t = &c->tensors[i];
        const safetensors_dtype *dtype = safetensors_find_dtype(t->dtype);
        if (!dtype)
            FAIL(cx, STATUS_BAD_ARGUMENT, "tensor '%.200s': unknown dtype '%s'", t->name, t->dtype);
        items[i] = (item){.source = t, .index = i, .bits = dtype->bits};
        if (t->n_dims < 0 || t->n_dims > SAFETENSORS_MAX_DIMS ||
            !safetensors_size(dtype, t->shape, t->n_dims, &items[i].size_bytes))
            FAIL(cx, STATUS_BAD_ARGUMENT,
                 "tensor '%.200s': its shape is too large or not whole bytes", t->name);
        if (!strcmp(t->name, "__metadata__"))
            FAIL(cx, STATUS_BAD_ARGUMENT, "a tensor cannot be named __metadata__");
    }
    return STATUS_OK;
}

static status check_names(context *cx, const item *items, int64_t n) {
    if (!n) return STATUS_OK;
    const item **sorted = context_alloc(cx, (size_t)n * sizeof *sorted);
    if (!sorted) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) sorted[i] = &items[i];
    qsort(sorted, (size_t)n, sizeof *sorted, by_name);
    status st = STATUS_OK;
    for (int64_t i = 1; i < n && st == STATUS_OK; i++)
        if (!by_name(&sorted[i - 1], &sorted[i]))
            st = context_fail(cx, STATUS_BAD_ARGUMENT, "tensor '%.200s' is given twice",
                              sorted[i]->source->name);
    context_release(cx, sorted);
    return st;
}

static void write_header(json_writer *w, const safetensors_contents *c, const item *items,
                         int64_t n) {
    json_write_object(w);
    json_write_key(w, "__metadata__");
    json_write_object(w);
    json_write_string_field(w, "format", "pt");
    for (int64_t i = 0; i < c->n_metadata; i++)
        if (strcmp(c->metadata[i].key, "format"))
            json_write_string_field(w, c->metadata[i].key, c->metadata[i].value);
    json_write_object_end(w);
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        const safetensors_source *t = items[i].source;
        json_write_key(w, t->name);
        json_write_object(w);
        json_write_string_field(w, "dtype", t->dtype);
        json_write_key(w, "shape");
        json_write_array(w);
        for (int32_t d = 0; d < t->n_dims; d++) json_write_integer(w, t->shape[d]);
        json_write_array_end(w);
        json_write_key(w, "data_offsets");
        json_write_array(w);
        json_write_integer(w, at);
        json_write_integer(w, at += items[i].size_bytes);
        json_write_array_end(w);
        json_write_object_end(w);
    }
    json_write_object_end(w);
}

static status write_data(const safetensors_contents *c, const item *it, file_writer *f) {
    if (it->source->data || !it->size_bytes) return file_write(f, it->source->data, it->size_bytes);
    if (!c->produce) FAIL(f->cx, STATUS_BAD_ARGUMENT, "no data is given");
    int64_t before = f->written_bytes;
    TRY(c->produce(c->user, it->index, f));
    if (f->written_bytes - before != it->size_bytes)
        FAIL(f->cx, STATUS_BUG, "%lld bytes were produced for %lld",
             (long long)(f->written_bytes - before), (long long)it->size_bytes);
    return STATUS_OK;
}

static status write_parts(const safetensors_contents *c, const item *items, int64_t n,
                          json_writer *w, file_writer *f) {
    write_header(w, c, items, n);
    TRY(json_writer_finish(w));
    uint64_t header_bytes = (uint64_t)round_up(w->size, HEAD_BYTES);
    unsigned char head[HEAD_BYTES];
    for (int i = 0; i < HEAD_BYTES; i++) head[i] = (unsigned char)(header_bytes >> (8 * i));
    TRY(file_write(f, head, HEAD_BYTES));
    TRY(file_write(f, w->bytes, w->size));
    TRY(file_write(f, "       ", (int64_t)header_bytes - w->size));
    for (int64_t i = 0; i < n; i++)
        TRY_NOTE(f->cx, write_data(c, &items[i], f), "tensor '%.200s'", items[i].source->name);
    return STATUS_OK;
}

static status write_one(context *cx, const char *path, const safetensors_contents *c, item *items,
                        int64_t n) {
    if (n) qsort(items, (size_t)n, sizeof *items, by_width_and_name);
    file_writer f;
    TRY(file_create(cx, path, &f));
    json_writer w = json_writer_to_buffer(cx, 0);
    status st = write_parts(c, items, n, &w, &f);
    json_writer_free(&w);
    if (st == STATUS_OK) return file_commit(&f);
    file_abandon(&f);
    return context_note(cx, st, "writing '%s'", path);
}

static status prepare(context *cx, const safetensors_contents *c, item **items) {
    *items = context_alloc(cx, (size_t)c->n_tensors * sizeof **items);
    if (!*items) return STATUS_NO_MEMORY;
    TRY(measure(cx, c, *items));
    return check_names(cx, *items, c->n_tensors);
}

status safetensors_write(context *cx, const char *path, const safetensors_contents *c) {
    item *items;
    status st = prepare(cx, c, &items);
    if (st == STATUS_OK) st = write_one(cx, path, c, items, c->n_tensors);
    context_release(cx, items);
    return st;
}

/* ---- shards ---- */

/* Fills one shard after another; returns how many. */
static int32_t deal_out(item *items, int64_t n, int64_t shard_bytes) {
    int32_t shard = 0;
    int64_t used = 0;
    for (int64_t i = 0; i < n; i++) {
        if (used && items[i].size_bytes > shard_bytes - used) {
            shard++;
            used = 0;
        }
        items[i].shard = shard;
        used = items[i].size_bytes > shard_bytes - used ? shard_bytes : used + items[i].size_bytes;
    }
    return shard + 1;
}

static char *shard_name(arena *a, int32_t shard, int32_t shards) {
    if (shards == 1) return arena_strdup(a, "model.safetensors");
    return arena_printf(a, "model-%05d-of-%05d.safetensors", shard + 1, shards);
}

static status write_index(arena *a, const char *folder, const item *items, int64_t n,
                          int32_t shards) {
    context *cx = a->cx;
    int64_t total_bytes = 0;
    for (int64_t i = 0; i < n; i++) total_bytes += items[i].size_bytes;
    json_writer w = json_writer_to_buffer(cx, 2);
    json_write_object(&w);
    json_write_key(&w, "metadata");
    json_write_object(&w);
    json_write_integer_field(&w, "total_size", total_bytes);
    json_write_object_end(&w);
    json_write_key(&w, "weight_map");
    json_write_object(&w);
    status st = STATUS_OK;
    const char *name = NULL;
    for (int64_t i = 0; i < n && st == STATUS_OK; i++) {
        if (!i || items[i].shard != items[i - 1].shard)
            name = shard_name(a, items[i].shard, shards);
        if (name)
            json_write_string_field(&w, items[i].source->name, name);
        else
            st = STATUS_NO_MEMORY;
    }
    json_write_object_end(&w);
    json_write_object_end(&w);
    if (st == STATUS_OK) st = json_writer_finish(&w);
    char *path = arena_printf(a, "%s/model.safetensors.index.json", folder);
    if (st == STATUS_OK) st = path ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) st = file_write_whole(cx, path, w.bytes, w.size);
    json_writer_free(&w);
    return st;
}

static status write_shards(arena *a, const char *folder, const safetensors_contents *c, item *items,
                           int64_t shard_bytes) {
    int32_t shards = deal_out(items, c->n_tensors, shard_bytes);
    int64_t from = 0;
    for (int32_t s = 0; s < shards; s++) {
        int64_t to = from;
        while (to < c->n_tensors && items[to].shard == s) to++;
        char *name = shard_name(a, s, shards);
        char *path = name ? arena_printf(a, "%s/%s", folder, name) : NULL;
        if (!path) return STATUS_NO_MEMORY;
        TRY(write_one(a->cx, path, c, items + from, to - from));
        from = to;
    }
    return shards > 1 ? write_index(a, folder, items, c->n_tensors, shards) : STATUS_OK;
}

status safetensors_write_folder(context *cx, const char *folder, const safetensors_contents *c,
                                int64_t shard_bytes) {
    item *items;
    arena a = arena_make(cx);
    status st = prepare(cx, c, &items);
    if (st == STATUS_OK)
        st =
            write_shards(&a, folder, c, items, shard_bytes > 0 ? shard_bytes : default_shard_bytes);
    arena_free(&a);
    context_release(cx, items);
    return st;
}
