/* Writing version 3. Sizes are known first, so the description of the tensors precedes their data
 * and the data streams. */
#include "store/gguf.h"
#include <stdio.h>
#include <string.h>

enum { VERSION = 3, MAX_ARRAY_DEPTH = 4, MAX_PARTS = 65535 };

static status put_u32(file_writer *f, uint32_t v) {
    return file_write(f, &v, 4);
}

static status put_u64(file_writer *f, uint64_t v) {
    return file_write(f, &v, 8);
}

static status put_string(file_writer *f, const char *bytes, int64_t length) {
    TRY(put_u64(f, (uint64_t)length));
    return file_write(f, bytes, length);
}

static status put_array(file_writer *f, const gguf_value *v, int32_t depth) {
    if (depth == MAX_ARRAY_DEPTH)
        FAIL(f->cx, STATUS_BAD_ARGUMENT, "arrays nested deeper than %d", MAX_ARRAY_DEPTH);
    TRY(put_u32(f, v->item_type));
    TRY(put_u64(f, (uint64_t)v->count));
    int64_t item_bytes = gguf_type_bytes(v->item_type);
    if (item_bytes) return file_write(f, v->items, v->count * item_bytes);
    for (int64_t i = 0; i < v->count; i++) {
        if (v->item_type == GGUF_STRING)
            TRY(put_string(f, v->texts[i].bytes, v->texts[i].length));
        else
            TRY(put_array(f, &v->arrays[i], depth + 1));
    }
    return STATUS_OK;
}

static status put_value(file_writer *f, const gguf_value *v) {
    if ((unsigned)v->type >= GGUF_TYPES ||
        (v->type == GGUF_ARRAY && (unsigned)v->item_type >= GGUF_TYPES))
        FAIL(f->cx, STATUS_BAD_ARGUMENT, "unknown value type");
    TRY(put_u32(f, v->type));
    if (v->type == GGUF_STRING) return put_string(f, v->text.bytes, v->text.length);
    if (v->type == GGUF_ARRAY) return put_array(f, v, 0);
    float narrow = (float)v->number;
    const void *raw = v->type == GGUF_F32 ? (const void *)&narrow : (const void *)&v->whole;
    return file_write(f, raw,
                      gguf_type_bytes(v->type)); /* little-endian: the low bytes come first */
}

static status put_pair(file_writer *f, const gguf_pair *p) {
    TRY(put_string(f, p->key, (int64_t)strlen(p->key)));
    TRY_NOTE(f->cx, put_value(f, &p->value), "key '%.200s'", p->key);
    return STATUS_OK;
}

static int64_t alignment_of(const gguf_contents *c) {
    for (int64_t i = 0; i < c->n_pairs; i++)
        if (!strcmp(c->pairs[i].key, "general.alignment")) return c->pairs[i].value.integer;
    return GGUF_DEFAULT_ALIGNMENT;
}

static status put_tensor(file_writer *f, const gguf_source *t, int64_t offset) {
    TRY(put_string(f, t->name, (int64_t)strlen(t->name)));
    TRY(put_u32(f, (uint32_t)t->n_dims));
    for (int32_t d = 0; d < t->n_dims; d++) TRY(put_u64(f, (uint64_t)t->shape[d]));
    TRY(put_u32(f, t->dtype->id));
    return put_u64(f, (uint64_t)offset);
}

static status put_data(file_writer *f, const gguf_contents *c, int64_t index, int64_t size_bytes) {
    const gguf_source *t = &c->tensors[index];
    if (t->data || !size_bytes) return file_write(f, t->data, size_bytes);
    if (!c->produce) FAIL(f->cx, STATUS_BAD_ARGUMENT, "no data is given");
    int64_t before = f->written_bytes;
    TRY(c->produce(c->user, index, f));
    if (f->written_bytes - before != size_bytes)
        FAIL(f->cx, STATUS_BUG, "%lld bytes were produced for %lld",
             (long long)(f->written_bytes - before), (long long)size_bytes);
    return STATUS_OK;
}

/* Which tensors go to a file, and the keys that only a part has. */
typedef struct part {
    int64_t from, to;
    int32_t number, parts;
} part;

static status put_pairs(file_writer *f, const gguf_contents *c, const part *p) {
    gguf_pair split[] = {
        {"split.no", {.type = GGUF_U16, .integer = p->number}},
        {"split.count", {.type = GGUF_U16, .integer = p->parts}},
        {"split.tensors.count", {.type = GGUF_I32, .integer = c->n_tensors}},
    };
    for (int64_t i = 0; i < c->n_pairs; i++)
        if (p->number == 0 || !strcmp(c->pairs[i].key, "general.alignment"))
            TRY(put_pair(f, &c->pairs[i]));
    for (int i = 0; p->parts > 1 && i < COUNT_OF(split); i++) TRY(put_pair(f, &split[i]));
    return STATUS_OK;
}

static status put_file(file_writer *f, const gguf_contents *c, const part *p) {
    int64_t alignment = alignment_of(c), size_bytes, at = 0;
    bool own = false;
    for (int64_t i = 0; i < c->n_pairs; i++) own |= !strcmp(c->pairs[i].key, "general.alignment");
    int64_t n_pairs = (p->number == 0 ? c->n_pairs : own) + (p->parts > 1 ? 3 : 0);
    TRY(file_write(f, "GGUF", 4));
    TRY(put_u32(f, VERSION));
    TRY(put_u64(f, (uint64_t)(p->to - p->from)));
    TRY(put_u64(f, (uint64_t)n_pairs));
    TRY(put_pairs(f, c, p));
    for (int64_t i = p->from; i < p->to; i++) {
        const gguf_source *t = &c->tensors[i];
        TRY(put_tensor(f, t, at));
        if (!gguf_size(t->dtype, t->shape, t->n_dims, &size_bytes))
            FAIL(f->cx, STATUS_BUG, "sizes changed");
        at += round_up(size_bytes, alignment);
    }
    TRY(file_write_padding(f, alignment));
    for (int64_t i = p->from; i < p->to; i++) {
        const gguf_source *t = &c->tensors[i];
        if (!gguf_size(t->dtype, t->shape, t->n_dims, &size_bytes))
            FAIL(f->cx, STATUS_BUG, "sizes changed");
        TRY_NOTE(f->cx, put_data(f, c, i, size_bytes), "tensor '%.200s'", t->name);
        TRY(file_write_padding(f, alignment));
    }
    return STATUS_OK;
}

static status write_one(context *cx, const char *path, const gguf_contents *c, const part *p) {
    file_writer f;
    TRY(file_create(cx, path, &f));
    status st = put_file(&f, c, p);
    if (st == STATUS_OK) return file_commit(&f);
    file_abandon(&f);
    return context_note(cx, st, "writing '%s'", path);
}

static status check(context *cx, const gguf_contents *c) {
    int64_t alignment = alignment_of(c), size_bytes;
    if (alignment < 8 || alignment > 1 << 20 || (alignment & (alignment - 1)))
        FAIL(cx, STATUS_BAD_ARGUMENT, "general.alignment must be a power of two in 8..1048576");
    for (int64_t i = 0; i < c->n_tensors; i++) {
        const gguf_source *t = &c->tensors[i];
        if (t->n_dims < 0 || t->n_dims > GGUF_MAX_DIMS ||
            !gguf_size(t->dtype, t->shape, t->n_dims, &size_bytes))
            FAIL(cx, STATUS_BAD_ARGUMENT, "tensor '%.200s': its shape does not fit %s", t->name,
                 t->dtype->name);
    }
    return STATUS_OK;
}

status gguf_write(context *cx, const char *path, const gguf_contents *c) {
    TRY(check(cx, c));
    return write_one(cx, path, c, &(part){.to = c->n_tensors, .parts = 1});
}

/* The end of the part that starts at `from`. */
static int64_t part_end(const gguf_contents *c, int64_t from, int64_t part_bytes) {
    int64_t used = 0, size_bytes, i = from;
    for (; i < c->n_tensors; i++) {
        const gguf_source *t = &c->tensors[i];
        if (!gguf_size(t->dtype, t->shape, t->n_dims, &size_bytes)) break;
        if (i > from && size_bytes > part_bytes - used) break;
        used = MIN_OF(size_bytes, part_bytes - used) + used;
    }
    return i;
}

status gguf_write_parts(context *cx, const char *prefix, const gguf_contents *c,
                        int64_t part_bytes) {
    TRY(check(cx, c));
    int64_t parts = 0;
    for (int64_t from = 0; from < c->n_tensors || !parts; parts++)
        from = part_end(c, from, part_bytes);
    if (parts > MAX_PARTS)
        FAIL(cx, STATUS_BAD_ARGUMENT, "%lld parts are more than %d", (long long)parts, MAX_PARTS);
    arena a = arena_make(cx);
    status st = STATUS_OK;
    part p = {.parts = (int32_t)parts};
    for (; p.number < p.parts && st == STATUS_OK; p.number++) {
        p.from = p.to;
        p.to = part_end(c, p.from, part_bytes);
        char *path = parts == 1
                         ? arena_printf(&a, "%s.gguf", prefix)
                         : arena_printf(&a, "%s-%05d-of-%05d.gguf", prefix, p.number + 1, p.parts);
        st = path ? write_one(cx, path, c, &p) : STATUS_NO_MEMORY;
    }
    arena_free(&a);
    return st;
}
