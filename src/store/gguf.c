/* Reading: a cursor that never passes the end of the file. A count is believed only as far as the
 * remaining bytes could hold so many of the smallest items. */
#include "store/gguf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY_BYTES = 65535, MAX_ARRAY_DEPTH = 4, MAX_PARTS = 99999, PART_SUFFIX_BYTES = 20 };
enum { LEAST_PAIR_BYTES = 13, LEAST_TENSOR_BYTES = 24 };

typedef struct cursor {
    gguf *g;
    const char *begin, *at, *end;
} cursor;

static status take(cursor *c, int64_t n, const char *what, const char **out) {
    if (c->end - c->at < n)
        FAIL(c->g->cx, STATUS_BAD_DATA, "the file ends at byte %lld inside %s",
             (long long)(c->end - c->begin), what);
    *out = c->at;
    c->at += n;
    return STATUS_OK;
}

static status take_u32(cursor *c, const char *what, uint32_t *out) {
    const char *p;
    TRY(take(c, 4, what, &p));
    memcpy(out, p, 4);
    return STATUS_OK;
}

static status take_u64(cursor *c, const char *what, uint64_t *out) {
    const char *p;
    TRY(take(c, 8, what, &p));
    memcpy(out, p, 8);
    return STATUS_OK;
}

/* A count of things that take at least so many bytes each. */
static status take_count(cursor *c, const char *what, int64_t least_bytes, int64_t *out) {
    uint64_t n;
    int64_t at = c->at - c->begin;
    TRY(take_u64(c, what, &n));
    if (n > (uint64_t)((c->end - c->at) / least_bytes))
        FAIL(c->g->cx, STATUS_BAD_DATA, "%s %llu at byte %lld is more than the file can hold", what,
             (unsigned long long)n, (long long)at);
    *out = (int64_t)n;
    return STATUS_OK;
}

static status take_string(cursor *c, const char *what, gguf_string *out) {
    int64_t n;
    TRY(take_count(c, what, 1, &n));
    *out = (gguf_string){c->at, n};
    c->at += n;
    return STATUS_OK;
}

/* A key or a tensor's name, kept as a C string. */
static status take_name(cursor *c, const char *what, const char **out) {
    gguf_string s;
    TRY(take_string(c, what, &s));
    if (s.length > MAX_KEY_BYTES || (s.length && memchr(s.bytes, 0, (size_t)s.length)))
        FAIL(c->g->cx, STATUS_BAD_DATA, "%s at byte %lld holds a zero or is longer than %d bytes",
             what, (long long)(s.bytes - c->begin), MAX_KEY_BYTES);
    *out = arena_strndup(&c->g->memory, s.bytes, (size_t)s.length);
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

/* ---- metadata ---- */

static status take_type(cursor *c, gguf_type *out) {
    uint32_t type;
    TRY(take_u32(c, "a value's type", &type));
    if (type >= GGUF_TYPES) FAIL(c->g->cx, STATUS_UNSUPPORTED, "unknown value type %u", type);
    *out = (gguf_type)type;
    return STATUS_OK;
}

static status take_array(cursor *c, int32_t depth, gguf_value *v) {
    gguf *g = c->g;
    if (depth == MAX_ARRAY_DEPTH)
        FAIL(g->cx, STATUS_UNSUPPORTED, "arrays nested deeper than %d", MAX_ARRAY_DEPTH);
    TRY(take_type(c, &v->item_type));
    int64_t item_bytes = gguf_type_bytes(v->item_type);
    if (item_bytes) {
        TRY(take_count(c, "an array's length", item_bytes, &v->count));
        const char *items;
        TRY(take(c, v->count * item_bytes, "an array", &items));
        v->items = items;
        return STATUS_OK;
    }
    if (v->item_type == GGUF_STRING) {
        TRY(take_count(c, "an array's length", 8, &v->count));
        gguf_string *texts = ARENA_NEW(&g->memory, gguf_string, v->count);
        if (!texts) return STATUS_NO_MEMORY;
        for (int64_t i = 0; i < v->count; i++) TRY(take_string(c, "a string's length", &texts[i]));
        v->texts = texts;
        return STATUS_OK;
    }
    TRY(take_count(c, "an array's length", 12, &v->count));
    gguf_value *arrays = ARENA_NEW(&g->memory, gguf_value, v->count);
    if (!arrays) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < v->count; i++) {
        arrays[i].type = GGUF_ARRAY;
        TRY(take_array(c, depth + 1, &arrays[i]));
    }
    v->arrays = arrays;
    return STATUS_OK;
}

static status take_value(cursor *c, gguf_value *v) {
    TRY(take_type(c, &v->type));
    if (v->type == GGUF_ARRAY) return take_array(c, 0, v);
    if (v->type == GGUF_STRING) return take_string(c, "a string's length", &v->text);
    const char *raw;
    TRY(take(c, gguf_type_bytes(v->type), "a value", &raw));
    gguf_value as_array = {.type = GGUF_ARRAY, .item_type = v->type, .count = 1, .items = raw};
    *v = gguf_item(&as_array, 0);
    return STATUS_OK;
}

static int pair_by_key(const void *a, const void *b) {
    return strcmp((*(const gguf_pair *const *)a)->key, (*(const gguf_pair *const *)b)->key);
}

static status take_pairs(cursor *c, int64_t n, gguf_pair **out_pairs,
                         const gguf_pair ***out_sorted) {
    gguf *g = c->g;
    gguf_pair *pairs = ARENA_NEW(&g->memory, gguf_pair, n);
    const gguf_pair **sorted = ARENA_NEW(&g->memory, const gguf_pair *, n);
    if (!pairs || !sorted) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        TRY(take_name(c, "a key", &pairs[i].key));
        TRY_NOTE(g->cx, take_value(c, &pairs[i].value), "key '%.200s'", pairs[i].key);
        sorted[i] = &pairs[i];
    }
    if (n) qsort(sorted, (size_t)n, sizeof *sorted, pair_by_key);
    for (int64_t i = 1; i < n; i++)
        if (!strcmp(sorted[i]->key, sorted[i - 1]->key))
            FAIL(g->cx, STATUS_BAD_DATA, "key '%.200s' comes twice", sorted[i]->key);
    *out_pairs = pairs;
    *out_sorted = sorted;
    return STATUS_OK;
}

static const gguf_value *find_pair(const gguf_pair **sorted, int64_t n, const char *key) {
    int64_t lo = 0, hi = n;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        int order = strcmp(sorted[mid]->key, key);
        if (!order) return &sorted[mid]->value;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const gguf_value *gguf_find(const gguf *g, const char *key) {
    return find_pair(g->by_key, g->n_pairs, key);
}

/* ---- tensors ---- */

static status take_tensor(cursor *c, gguf_tensor *t) {
    context *cx = c->g->cx;
    uint32_t n_dims, type;
    uint64_t offset;
    TRY(take_u32(c, "a tensor's description", &n_dims));
    if (n_dims > GGUF_MAX_DIMS)
        FAIL(cx, STATUS_UNSUPPORTED, "%u dimensions are more than %d", n_dims, GGUF_MAX_DIMS);
    t->n_dims = (int32_t)n_dims;
    for (uint32_t d = 0; d < n_dims; d++) {
        uint64_t extent;
        TRY(take_u64(c, "a tensor's description", &extent));
        if (extent > (uint64_t)INT64_MAX)
            FAIL(cx, STATUS_BAD_DATA, "extent %llu is too large", (unsigned long long)extent);
        t->shape[d] = (int64_t)extent;
    }
    TRY(take_u32(c, "a tensor's description", &type));
    TRY(take_u64(c, "a tensor's description", &offset));
    t->dtype = gguf_dtype_of_id(type);
    if (!t->dtype) FAIL(cx, STATUS_UNSUPPORTED, "unknown tensor type %u", type);
    if (!gguf_size(t->dtype, t->shape, t->n_dims, &t->size_bytes)) {
        if (n_dims && t->shape[0] % t->dtype->block_elems)
            FAIL(cx, STATUS_BAD_DATA, "a row of %lld is not whole blocks of %d (%s)",
                 (long long)t->shape[0], t->dtype->block_elems, t->dtype->name);
        FAIL(cx, STATUS_BAD_DATA, "its shape is too large");
    }
    if (offset > (uint64_t)INT64_MAX)
        FAIL(cx, STATUS_BAD_DATA, "offset %llu is too large", (unsigned long long)offset);
    t->begin = (int64_t)offset;
    return STATUS_OK;
}

static int tensor_by_offset(const void *a, const void *b) {
    const gguf_tensor *x = *(const gguf_tensor *const *)a, *y = *(const gguf_tensor *const *)b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->size_bytes < y->size_bytes ? -1 : x->size_bytes > y->size_bytes;
}

static int tensor_by_name(const void *a, const void *b) {
    return strcmp((*(const gguf_tensor *const *)a)->name, (*(const gguf_tensor *const *)b)->name);
}

/* Places the tensors of one file in its data; `scratch` has room for n. */
static status place_tensors(cursor *c, gguf_tensor *tensors, int64_t n,
                            const gguf_tensor **scratch) {
    gguf *g = c->g;
    int64_t start = round_up(c->at - c->begin, g->alignment), size = c->end - c->begin;
    int64_t data_bytes = MAX_OF(size - start, 0), reached = 0;
    for (int64_t i = 0; i < n; i++) {
        gguf_tensor *t = &tensors[i];
        if (t->begin % g->alignment)
            FAIL(g->cx, STATUS_BAD_DATA,
                 "tensor '%.200s': offset %lld is not a multiple of the alignment %lld", t->name,
                 (long long)t->begin, (long long)g->alignment);
        if (t->begin > data_bytes || t->size_bytes > data_bytes - t->begin)
            FAIL(g->cx, STATUS_BAD_DATA,
                 "tensor '%.200s': its %lld bytes at offset %lld end past the data (%lld bytes)",
                 t->name, (long long)t->size_bytes, (long long)t->begin, (long long)data_bytes);
        t->data = data_bytes ? c->begin + start + t->begin : c->begin;
        scratch[i] = t;
    }
    if (n) qsort(scratch, (size_t)n, sizeof *scratch, tensor_by_offset);
    for (int64_t i = 0; i < n; i++) {
        if (scratch[i]->begin < reached)
            FAIL(g->cx, STATUS_BAD_DATA, "tensor '%.200s': its data overlaps that of '%.200s'",
                 scratch[i]->name, scratch[i - 1]->name);
        reached = scratch[i]->begin + scratch[i]->size_bytes;
    }
    return STATUS_OK;
}

static status sort_names(gguf *g) {
    for (int64_t i = 0; i < g->n_tensors; i++) g->by_name[i] = &g->tensors[i];
    if (g->n_tensors) qsort(g->by_name, (size_t)g->n_tensors, sizeof *g->by_name, tensor_by_name);
    for (int64_t i = 1; i < g->n_tensors; i++)
        if (!strcmp(g->by_name[i]->name, g->by_name[i - 1]->name))
            FAIL(g->cx, STATUS_BAD_DATA, "tensor '%.200s' comes twice", g->by_name[i]->name);
    return STATUS_OK;
}

const gguf_tensor *gguf_find_tensor(const gguf *g, const char *name) {
    int64_t lo = 0, hi = g->n_tensors;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        int order = strcmp(g->by_name[mid]->name, name);
        if (!order) return g->by_name[mid];
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* ---- one file ---- */

static status take_head(cursor *c, uint32_t *version) {
    context *cx = c->g->cx;
    const char *magic;
    TRY(take(c, 4, "the head", &magic));
    if (memcmp(magic, "GGUF", 4))
        FAIL(cx, STATUS_BAD_DATA, "this is not a GGUF file: it does not start with GGUF");
    TRY(take_u32(c, "the head", version));
    if ((*version & 0xffff) == 0 && *version)
        FAIL(cx, STATUS_UNSUPPORTED, "a big-endian GGUF file");
    if (*version != 2 && *version != 3)
        FAIL(cx, STATUS_UNSUPPORTED, "GGUF version %u (2 and 3 are known)", *version);
    return STATUS_OK;
}

static status read_alignment(gguf *g, const gguf_value *v) {
    g->alignment = GGUF_DEFAULT_ALIGNMENT;
    if (!v) return STATUS_OK;
    int64_t n = v->type == GGUF_U32 ? v->integer : 0;
    if (n < 8 || n > 1 << 20 || (n & (n - 1)))
        FAIL(g->cx, STATUS_BAD_DATA,
             "general.alignment must be a uint32, a power of two in 8..1048576");
    g->alignment = n;
    return STATUS_OK;
}

typedef struct part {
    int64_t number, parts, tensors_of_all;
} part;

static int64_t whole_or(const gguf_value *v, int64_t other) {
    bool whole = v && gguf_type_bytes(v->type) && v->type != GGUF_F32 && v->type != GGUF_F64;
    return whole ? v->integer : other;
}

/* Reads one file behind those read before it. Metadata is kept of the first. */
static status read_file(gguf *g, int32_t file, part *p) {
    file_map map = g->files[file].map;
    cursor c = {g, map.bytes, map.bytes, map.bytes + map.size_bytes};
    uint32_t version;
    int64_t n_tensors, n_pairs;
    TRY(take_head(&c, &version));
    TRY(take_count(&c, "the number of tensors", LEAST_TENSOR_BYTES, &n_tensors));
    TRY(take_count(&c, "the number of keys", LEAST_PAIR_BYTES, &n_pairs));
    gguf_pair *pairs = NULL;
    const gguf_pair **sorted = NULL;
    TRY(take_pairs(&c, n_pairs, &pairs, &sorted));
    if (file == 0) {
        g->version = version;
        g->pairs = pairs;
        g->by_key = sorted;
        g->n_pairs = n_pairs;
    }
    TRY(read_alignment(g, find_pair(sorted, n_pairs, "general.alignment")));
    p->number = whole_or(find_pair(sorted, n_pairs, "split.no"), 0);
    p->parts = whole_or(find_pair(sorted, n_pairs, "split.count"), 1);
    p->tensors_of_all = whole_or(find_pair(sorted, n_pairs, "split.tensors.count"), -1);

    int64_t all = g->n_tensors + n_tensors;
    gguf_tensor *tensors = ARENA_NEW(&g->memory, gguf_tensor, all);
    const gguf_tensor **by_name = ARENA_NEW(&g->memory, const gguf_tensor *, all);
    if (!tensors || !by_name) return STATUS_NO_MEMORY;
    if (g->n_tensors) memcpy(tensors, g->tensors, (size_t)g->n_tensors * sizeof *tensors);
    gguf_tensor *fresh = tensors + g->n_tensors;
    for (int64_t i = 0; i < n_tensors; i++) {
        fresh[i].file = file;
        TRY(take_name(&c, "a tensor's name", &fresh[i].name));
        TRY_NOTE(g->cx, take_tensor(&c, &fresh[i]), "tensor '%.200s'", fresh[i].name);
    }
    TRY(place_tensors(&c, fresh, n_tensors, by_name));
    g->tensors = tensors;
    g->by_name = by_name;
    g->n_tensors = all;
    return STATUS_OK;
}

/* ---- opening ---- */

static status add_parts(gguf *g, const part *first) {
    const char *path = g->files[0].path;
    size_t length = strlen(path), stem = length - PART_SUFFIX_BYTES;
    char suffix[64];
    if (first->parts < 1 || first->parts > MAX_PARTS)
        FAIL(g->cx, STATUS_BAD_DATA, "split.count %lld is not in 1..%d", (long long)first->parts,
             MAX_PARTS);
    if (first->number != 0)
        FAIL(g->cx, STATUS_BAD_ARGUMENT, "part %lld of %lld; open the first part",
             (long long)first->number + 1, (long long)first->parts);
    if (first->parts == 1) return STATUS_OK;
    snprintf(suffix, sizeof suffix, "-00001-of-%05lld.gguf", (long long)first->parts);
    if (length < PART_SUFFIX_BYTES || strcmp(path + stem, suffix))
        FAIL(g->cx, STATUS_BAD_DATA, "split.count is %lld, but the name does not end in %s",
             (long long)first->parts, suffix);
    gguf_file *files = ARENA_NEW(&g->memory, gguf_file, first->parts);
    if (!files) return STATUS_NO_MEMORY;
    files[0] = g->files[0];
    g->files = files;
    for (int64_t i = 1; i < first->parts; i++) {
        part p;
        files[i].path = arena_printf(&g->memory, "%.*s-%05lld-of-%05lld.gguf", (int)stem, path,
                                     (long long)i + 1, (long long)first->parts);
        if (!files[i].path) return STATUS_NO_MEMORY;
        TRY(file_map_open(g->cx, files[i].path, &files[i].map));
        g->n_files = (int32_t)i + 1;
        TRY_NOTE(g->cx, read_file(g, (int32_t)i, &p), "'%s'", files[i].path);
        if (p.number != i || p.parts != first->parts)
            FAIL(g->cx, STATUS_BAD_DATA, "'%s' says that it is part %lld of %lld", files[i].path,
                 (long long)p.number + 1, (long long)p.parts);
    }
    if (first->tensors_of_all >= 0 && first->tensors_of_all != g->n_tensors)
        FAIL(g->cx, STATUS_BAD_DATA, "split.tensors.count is %lld, the parts hold %lld",
             (long long)first->tensors_of_all, (long long)g->n_tensors);
    return STATUS_OK;
}

static status read_all(gguf *g, bool parts_allowed) {
    part first;
    TRY(read_file(g, 0, &first));
    if (parts_allowed)
        TRY(add_parts(g, &first));
    else if (first.parts != 1)
        FAIL(g->cx, STATUS_UNSUPPORTED, "a part of a model");
    return sort_names(g);
}

static status start(context *cx, const char *name, gguf *out) {
    *out = (gguf){.cx = cx, .memory = arena_make(cx)};
    out->files = ARENA_NEW(&out->memory, gguf_file, 1);
    char *copy = out->files ? arena_strdup(&out->memory, name) : NULL;
    if (!copy) return STATUS_NO_MEMORY;
    out->files[0] = (gguf_file){.path = copy, .map = {.bytes = ""}};
    out->n_files = 1;
    return STATUS_OK;
}

status gguf_open(context *cx, const char *path, gguf *out) {
    status st = start(cx, path, out);
    if (st == STATUS_OK) st = file_map_open(cx, path, &out->files[0].map);
    if (st == STATUS_OK) {
        st = read_all(out, true);
        if (st != STATUS_OK) (void)context_note(cx, st, "'%s'", path);
    }
    if (st != STATUS_OK) gguf_close(out);
    return st;
}

status gguf_open_bytes(context *cx, const char *name, const void *bytes, int64_t size_bytes,
                       gguf *out) {
    status st = start(cx, name, out);
    if (st == STATUS_OK) {
        /* The caller's bytes are lent to the list of files while they are read, not unmapped. */
        out->files[0].map = (file_map){bytes, size_bytes};
        st = read_all(out, false);
        if (st != STATUS_OK) (void)context_note(cx, st, "'%s'", name);
        out->files[0].map = (file_map){.bytes = ""};
    }
    if (st != STATUS_OK) gguf_close(out);
    return st;
}

void gguf_close(gguf *g) {
    if (!g->cx) return;
    for (int32_t i = 0; i < g->n_files; i++) file_map_close(&g->files[i].map);
    arena_free(&g->memory);
    *g = (gguf){0};
}
