/* Reading one file: the header goes through the pull reader into a growing list; then the tensors
 * are checked in the order of their offsets and sorted by name. */
#include "store/safetensors.h"
#include "base/json.h"
#include "store/safetensors_shards.h"
#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 8, MAX_HEADER_BYTES = 100000000 };

static const safetensors_dtype dtypes[] = {
    {"F64", 64},    {"F32", 32}, {"F16", 16},    {"BF16", 16},   {"I64", 64},
    {"U64", 64},    {"I32", 32}, {"U32", 32},    {"I16", 16},    {"U16", 16},
    {"I8", 8},      {"U8", 8},   {"BOOL", 8},    {"F8_E4M3", 8}, {"F8_E5M2", 8},
    {"F8_E8M0", 8}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"C64", 64},
};

const safetensors_dtype *safetensors_find_dtype(const char *name) {
    for (int64_t i = 0; i < COUNT_OF(dtypes); i++)
        if (!strcmp(dtypes[i].name, name)) return &dtypes[i];
    return NULL;
}

bool safetensors_size(const safetensors_dtype *dtype, const int64_t *shape, int32_t n_dims,
                      int64_t *size_bytes) {
    int64_t bits = dtype->bits;
    for (int32_t d = 0; d < n_dims; d++)
        if (shape[d] < 0 || mul_overflows(bits, shape[d], &bits)) return false;
    *size_bytes = bits / 8;
    return bits % 8 == 0;
}

/* ---- one header ---- */

/* What is known of the file whose header is being read. */
typedef struct header {
    safetensors *s;
    int32_t file;
    int64_t capacity; /* of s->tensors */
    const char *data;
    int64_t data_bytes;
} header;

static status add_tensor(header *h, safetensors_tensor **out) {
    safetensors *s = h->s;
    if (s->n_tensors == h->capacity) {
        int64_t capacity = MAX_OF(h->capacity * 2, 64);
        safetensors_tensor *more = context_alloc(s->cx, (size_t)capacity * sizeof *more);
        if (!more) return STATUS_NO_MEMORY;
        if (s->n_tensors) memcpy(more, s->tensors, (size_t)s->n_tensors * sizeof *more);
        context_release(s->cx, s->tensors);
        s->tensors = more;
        h->capacity = capacity;
    }
    *out = &s->tensors[s->n_tensors++];
    **out = (safetensors_tensor){.file = h->file};
    return STATUS_OK;
}

status safetensors_keep_text(safetensors *s, const json *j, json_text text, const char **out) {
    if (text.length && memchr(text.bytes, 0, (size_t)text.length))
        return json_fail(j, STATUS_UNSUPPORTED, "a zero byte in a name");
    *out = arena_strndup(&s->memory, text.bytes, (size_t)text.length);
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

static status read_metadata(header *h, json *j) {
    safetensors *s = h->s;
    int64_t capacity = 0;
    bool keep = s->n_metadata == 0;
    TRY(json_enter_object(j));
    for (;;) {
        json_text key, value;
        bool more;
        safetensors_pair pair;
        TRY(json_next_key(j, &more, &key));
        if (!more) return STATUS_OK;
        TRY(json_string(j, &value));
        if (!keep) continue;
        TRY(safetensors_keep_text(s, j, key, &pair.key));
        TRY(safetensors_keep_text(s, j, value, &pair.value));
        if (s->n_metadata == capacity) {
            capacity = MAX_OF(2 * capacity, 4);
            safetensors_pair *bigger = ARENA_NEW(&s->memory, safetensors_pair, capacity);
            if (!bigger) return STATUS_NO_MEMORY;
            if (s->n_metadata) memcpy(bigger, s->metadata, (size_t)s->n_metadata * sizeof pair);
            s->metadata = bigger;
        }
        s->metadata[s->n_metadata++] = pair;
    }
}

static status read_shape(json *j, safetensors_tensor *t) {
    TRY(json_enter_array(j));
    for (t->n_dims = 0;; t->n_dims++) {
        bool more;
        int64_t extent;
        TRY(json_next_item(j, &more));
        if (!more) return STATUS_OK;
        TRY(json_integer(j, 0, INT64_MAX, &extent));
        if (t->n_dims == SAFETENSORS_MAX_DIMS)
            return json_fail(j, STATUS_UNSUPPORTED, "more than %d dimensions",
                             SAFETENSORS_MAX_DIMS);
        t->shape[t->n_dims] = extent;
    }
}

static status read_offsets(json *j, int64_t *begin, int64_t *end) {
    bool more;
    TRY(json_enter_array(j));
    TRY(json_integer(j, 0, INT64_MAX, begin));
    TRY(json_integer(j, 0, INT64_MAX, end));
    TRY(json_next_item(j, &more));
    if (more) return json_fail(j, STATUS_BAD_DATA, "data_offsets holds more than two numbers");
    return STATUS_OK;
}

static status read_dtype(json *j, safetensors_tensor *t) {
    json_text text;
    char name[16] = "";
    TRY(json_string(j, &text));
    if (text.length < (int64_t)sizeof name) memcpy(name, text.bytes, (size_t)text.length);
    t->dtype = safetensors_find_dtype(name);
    if (t->dtype) return STATUS_OK;
    return json_fail(j, STATUS_UNSUPPORTED, "unknown dtype '%.*s'", (int)MIN_OF(text.length, 40),
                     text.bytes);
}

static status check_extent(const header *h, safetensors_tensor *t, int64_t end) {
    context *cx = h->s->cx;
    if (end < t->begin || end > h->data_bytes)
        FAIL(cx, STATUS_BAD_DATA, "offsets %lld..%lld %s (%lld bytes)", (long long)t->begin,
             (long long)end, end < t->begin ? "run backwards in the data" : "end past the data",
             (long long)h->data_bytes);
    if (!safetensors_size(t->dtype, t->shape, t->n_dims, &t->size_bytes))
        FAIL(cx, STATUS_BAD_DATA, "its shape is too large or not whole bytes");
    if (t->size_bytes != end - t->begin)
        FAIL(cx, STATUS_BAD_DATA, "its shape takes %lld bytes, its offsets %lld..%lld hold %lld",
             (long long)t->size_bytes, (long long)t->begin, (long long)end,
             (long long)(end - t->begin));
    t->data = h->data + t->begin;
    return STATUS_OK;
}

static status read_tensor(header *h, json *j, safetensors_tensor *t) {
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };
    int seen = 0;
    int64_t end = 0;
    TRY(json_enter_object(j));
    for (;;) {
        json_text key;
        bool more;
        int field = 0;
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        if (json_is(key, "dtype")) field = DTYPE;
        if (json_is(key, "shape")) field = SHAPE;
        if (json_is(key, "data_offsets")) field = OFFSETS;
        if (!field)
            return json_fail(j, STATUS_BAD_DATA, "unknown key '%.*s'", (int)MIN_OF(key.length, 40),
                             key.bytes);
        if (seen & field) return json_fail(j, STATUS_BAD_DATA, "a key comes twice");
        seen |= field;
        if (field == DTYPE) TRY(read_dtype(j, t));
        if (field == SHAPE) TRY(read_shape(j, t));
        if (field == OFFSETS) TRY(read_offsets(j, &t->begin, &end));
    }
    if (!(seen & DTYPE)) FAIL(j->cx, STATUS_BAD_DATA, "dtype is missing");
    if (!(seen & SHAPE)) FAIL(j->cx, STATUS_BAD_DATA, "shape is missing");
    if (!(seen & OFFSETS)) FAIL(j->cx, STATUS_BAD_DATA, "data_offsets is missing");
    return check_extent(h, t, end);
}

static status read_header(header *h, json *j) {
    bool has_metadata = false;
    TRY(json_enter_object(j));
    for (;;) {
        json_text key;
        bool more;
        TRY(json_next_key(j, &more, &key));
        if (!more) break;
        if (json_is(key, "__metadata__")) {
            if (has_metadata) return json_fail(j, STATUS_BAD_DATA, "__metadata__ comes twice");
            has_metadata = true;
            TRY_NOTE(j->cx, read_metadata(h, j), "__metadata__");
            continue;
        }
        safetensors_tensor *t;
        const char *name = NULL;
        TRY(safetensors_keep_text(h->s, j, key, &name));
        TRY(add_tensor(h, &t));
        t->name = name;
        TRY_NOTE(j->cx, read_tensor(h, j, t), "tensor '%.200s'", name);
    }
    return json_finish(j);
}

static int by_offset(const void *a, const void *b) {
    const safetensors_tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->size_bytes < y->size_bytes ? -1 : x->size_bytes > y->size_bytes;
}

static int by_name(const void *a, const void *b) {
    const safetensors_tensor *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : x->file - y->file;
}

/* The tensors of one file, which are those from `first` on, fill its data. */
static status check_cover(header *h, int64_t first) {
    context *cx = h->s->cx;
    int64_t reached = 0, n = h->s->n_tensors - first;
    safetensors_tensor *t = n ? h->s->tensors + first : NULL;
    if (n) qsort(t, (size_t)n, sizeof *t, by_offset);
    for (int64_t i = 0; i < n; i++) {
        if (t[i].begin < reached)
            FAIL(cx, STATUS_BAD_DATA, "tensor '%.200s': its data overlaps that of '%.200s'",
                 t[i].name, t[i - 1].name);
        if (t[i].begin > reached)
            FAIL(cx, STATUS_BAD_DATA,
                 "tensor '%.200s': %lld bytes before its data belong to no tensor", t[i].name,
                 (long long)(t[i].begin - reached));
        reached += t[i].size_bytes;
    }
    if (reached != h->data_bytes)
        FAIL(cx, STATUS_BAD_DATA, "the last %lld bytes belong to no tensor",
             (long long)(h->data_bytes - reached));
    return STATUS_OK;
}

static status read_file(safetensors *s, int32_t file, file_map map, int64_t *capacity) {
    context *cx = s->cx;
    uint64_t header_bytes = 0;
    if (map.size_bytes < HEAD_BYTES)
        FAIL(cx, STATUS_BAD_DATA, "%lld bytes are too few for a header", (long long)map.size_bytes);
    for (int i = HEAD_BYTES - 1; i >= 0; i--)
        header_bytes = header_bytes << 8 | (unsigned char)map.bytes[i];
    if (header_bytes > MAX_HEADER_BYTES)
        FAIL(cx, STATUS_BAD_DATA, "a header of %llu bytes is over the limit of %d",
             (unsigned long long)header_bytes, MAX_HEADER_BYTES);
    if ((int64_t)header_bytes > map.size_bytes - HEAD_BYTES)
        FAIL(cx, STATUS_BAD_DATA, "the header of %llu bytes ends past the file (%lld bytes)",
             (unsigned long long)header_bytes, (long long)map.size_bytes);
    header h = {.s = s,
                .file = file,
                .capacity = *capacity,
                .data = map.bytes + HEAD_BYTES + header_bytes,
                .data_bytes = map.size_bytes - HEAD_BYTES - (int64_t)header_bytes};
    int64_t first = s->n_tensors;
    json_limits limits = {.depth = 4, .size_bytes = MAX_HEADER_BYTES};
    json j = json_make(cx, "header", map.bytes + HEAD_BYTES, (int64_t)header_bytes, &limits);
    status st = read_header(&h, &j);
    json_free(&j);
    *capacity = h.capacity;
    TRY(st);
    return check_cover(&h, first);
}

static status sort_by_name(safetensors *s) {
    if (s->n_tensors) qsort(s->tensors, (size_t)s->n_tensors, sizeof *s->tensors, by_name);
    for (int64_t i = 1; i < s->n_tensors; i++) {
        const safetensors_tensor *a = &s->tensors[i - 1], *b = &s->tensors[i];
        if (strcmp(a->name, b->name)) continue;
        if (a->file == b->file)
            FAIL(s->cx, STATUS_BAD_DATA, "'%s': tensor '%.200s' comes twice",
                 s->files[a->file].path, a->name);
        FAIL(s->cx, STATUS_BAD_DATA, "tensor '%.200s' is in both '%s' and '%s'", a->name,
             s->files[a->file].path, s->files[b->file].path);
    }
    return STATUS_OK;
}

status safetensors_read_files(safetensors *s) {
    int64_t capacity = 0;
    for (int32_t i = 0; i < s->n_files; i++)
        TRY_NOTE(s->cx, read_file(s, i, s->files[i].map, &capacity), "'%s'", s->files[i].path);
    return sort_by_name(s);
}

/* ---- opening ---- */

status safetensors_add_file(safetensors *s, const char *path, int32_t *index) {
    for (int32_t i = s->n_files - 1; i >= 0; i--) {
        if (strcmp(s->files[i].path, path)) continue;
        *index = i;
        return STATUS_OK;
    }
    if ((s->n_files & (s->n_files - 1)) == 0) { /* the list doubles at powers of two */
        safetensors_file *more = ARENA_NEW(&s->memory, safetensors_file, MAX_OF(2 * s->n_files, 1));
        if (!more) return STATUS_NO_MEMORY;
        if (s->n_files) memcpy(more, s->files, (size_t)s->n_files * sizeof *more);
        s->files = more;
    }
    char *copy = arena_strdup(&s->memory, path);
    if (!copy) return STATUS_NO_MEMORY;
    *index = s->n_files;
    s->files[s->n_files++] = (safetensors_file){.path = copy, .map = {.bytes = ""}};
    return STATUS_OK;
}

static status open_single(safetensors *s, const char *path) {
    int32_t index;
    TRY(safetensors_add_file(s, path, &index));
    TRY(file_map_open(s->cx, path, &s->files[index].map));
    return safetensors_read_files(s);
}

static status open_folder(safetensors *s, const char *folder) {
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json",
                                        "pytorch_model.bin", "pytorch_model.bin.index.json"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        char *path = arena_printf(&s->memory, "%s/%s", folder, names[i]);
        if (!path) return STATUS_NO_MEMORY;
        if (!file_exists(path)) continue;
        if (i == 0) return open_single(s, path);
        if (i == 1) return safetensors_read_index(s, path);
        FAIL(s->cx, STATUS_UNSUPPORTED,
             "'%s' is a PyTorch pickle, which can run code when it is opened; convert it to "
             "safetensors (transformers: save_pretrained(..., safe_serialization=True))",
             path);
    }
    FAIL(s->cx, STATUS_IO, "'%s' holds neither model.safetensors nor model.safetensors.index.json",
         folder);
}

status safetensors_open(context *cx, const char *path, safetensors *out) {
    *out = (safetensors){.cx = cx, .memory = arena_make(cx)};
    size_t length = strlen(path);
    status st;
    if (file_is_folder(path))
        st = open_folder(out, path);
    else if (length > 5 && !strcmp(path + length - 5, ".json"))
        st = safetensors_read_index(out, path);
    else
        st = open_single(out, path);
    if (st != STATUS_OK) safetensors_close(out);
    return st;
}

status safetensors_open_bytes(context *cx, const char *name, const void *bytes, int64_t size_bytes,
                              safetensors *out) {
    *out = (safetensors){.cx = cx, .memory = arena_make(cx)};
    int32_t index;
    status st = safetensors_add_file(out, name, &index);
    if (st == STATUS_OK) {
        /* The caller's bytes are lent to the list of files while they are read, not unmapped. */
        out->files[index].map = (file_map){bytes, size_bytes};
        st = safetensors_read_files(out);
        out->files[index].map = (file_map){.bytes = ""};
    }
    if (st != STATUS_OK) safetensors_close(out);
    return st;
}

void safetensors_close(safetensors *s) {
    if (!s->cx) return;
    for (int32_t i = 0; i < s->n_files; i++) file_map_close(&s->files[i].map);
    context_release(s->cx, s->tensors);
    arena_free(&s->memory);
    *s = (safetensors){0};
}

const safetensors_tensor *safetensors_find(const safetensors *s, const char *name) {
    int64_t lo = 0, hi = s->n_tensors;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        int order = strcmp(s->tensors[mid].name, name);
        if (!order) return &s->tensors[mid];
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
