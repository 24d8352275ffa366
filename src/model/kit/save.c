/* States to a Hugging Face folder. */
#include "base/json_write.h"
#include "model/kit/model.h"
#include "store/packed_write.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
    const char *format, *safetensors, *torch;
} dtypes[] = {{"f32", "F32", "float32"}, {"bf16", "BF16", "bfloat16"}, {"f16", "F16", "float16"}};

static int64_t dtype_of(const char *format) {
    for (int64_t i = 0; i < COUNT_OF(dtypes); i++)
        if (!strcmp(dtypes[i].format, format)) return i;
    return -1;
}

/* A tensor of the folder: a state, one expert of a state whose name has a star, or a part of what holds codes. */
typedef struct saved {
    const char *name;
    tensor t;
    bool turned; /* the folder has it [inputs, outputs], the state the other way */
    bool packed;
    int32_t part;
    packed_part how;
} saved;

typedef struct saving {
    context *cx;
    arena *memory;
    saved *items;
    int64_t count, capacity;
    const num_format *format; /* NULL: each its own */
    const model_config *config;
} saving;

static status write_rows(const saving *w, const tensor *t, const num_format *format,
                         file_writer *out) {
    if (format == t->format) return file_write(out, t->data, tensor_bytes(t));
    tensor_rows rows = tensor_rows_of(t);
    int64_t to_bytes = num_row_bytes(format, rows.elems);
    float *row = context_alloc(w->cx, (size_t)rows.elems * sizeof *row + (size_t)to_bytes);
    if (!row) return STATUS_NO_MEMORY;
    status st = STATUS_OK;
    for (int64_t r = 0; r < rows.count && st == STATUS_OK; r++) {
        t->format->unpack((const char *)t->data + r * rows.bytes, 0, rows.elems, row);
        format->pack(row, rows.elems, row + rows.elems);
        st = file_write(out, row + rows.elems, to_bytes);
    }
    context_release(w->cx, row);
    return st;
}

/* A matrix with its rows and columns changed over. */
static status write_turned(const saving *w, const tensor *t, const num_format *format,
                           file_writer *out) {
    tensor_rows rows = tensor_rows_of(t);
    float *all = context_alloc(w->cx, (size_t)((rows.count + 1) * rows.elems) * sizeof *all);
    if (!all) return STATUS_NO_MEMORY;
    float *row = all + rows.count * rows.elems;
    for (int64_t r = 0; r < rows.count; r++) {
        t->format->unpack((const char *)t->data + r * rows.bytes, 0, rows.elems, row);
        for (int64_t j = 0; j < rows.elems; j++) all[j * rows.count + r] = row[j];
    }
    tensor over = {
        .data = all, .format = num_find("f32"), .rank = 2, .dim = {rows.elems, rows.count}};
    status st = write_rows(w, &over, format, out);
    context_release(w->cx, all);
    return st;
}

static status produce(void *user, int64_t index, file_writer *out) {
    const saving *w = user;
    const saved *item = &w->items[index];
    const tensor *t = &item->t;
    const num_format *format = w->format ? w->format : t->format;
    if (item->packed)
        return packed_write_part(w->cx, &w->config->packed, t->format, t->data, t->dim[0],
                                 t->dim[1], item->part, out);
    return item->turned ? write_turned(w, t, format, out) : write_rows(w, t, format, out);
}

/* NAME.weight as the tensors of the recipe. */
static status add_packed(saving *w, const state *item) {
    packed_part parts[PACKED_PARTS];
    int32_t n = packed_write_parts(&w->config->packed, item->t.dim[0], item->t.dim[1], parts);
    int length = (int)(strlen(item->name) - strlen("weight"));
    for (int32_t i = 0; i < n; i++) {
        if (w->count == w->capacity) return STATUS_BUG;
        const char *name = arena_printf(w->memory, "%.*s%s", length, item->name, parts[i].suffix);
        if (!name) return STATUS_NO_MEMORY;
        w->items[w->count++] =
            (saved){.name = name, .t = item->t, .packed = true, .part = i, .how = parts[i]};
    }
    return STATUS_OK;
}

static bool is_packed(const saving *w, const state *item) {
    size_t n = strlen(item->name), tail = strlen(".weight");
    return w->config->packed.method != PACKED_NONE && !w->format && item->t.rank == 2 &&
           item->t.format->kind == NUM_BLOCK && n > tail &&
           !strcmp(item->name + n - tail, ".weight");
}

static status add_state(saving *w, const state *item) {
    if (is_packed(w, item)) return add_packed(w, item);
    const char *star = strchr(item->name, '*');
    int64_t experts = star ? item->t.dim[0] : 1;
    for (int64_t e = 0; e < experts; e++) {
        if (w->count == w->capacity) return STATUS_BUG;
        saved *to = &w->items[w->count++];
        *to = (saved){.name = item->name, .t = item->t};
        to->turned = w->config->upright && model_lies_across(w->config, item->name);
        if (!star) continue;
        to->t.rank--;
        memmove(to->t.dim, to->t.dim + 1, (size_t)to->t.rank * sizeof *to->t.dim);
        to->t.data = (char *)item->t.data + e * tensor_bytes(&to->t);
        to->name = arena_printf(w->memory, "%.*s%lld%s", (int)(star - item->name), item->name,
                                (long long)e, star + 1);
        if (!to->name) return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static status save_tensors(context *cx, arena *mem, const char *folder, const states *s,
                           const model_config *config, const num_format *format) {
    saving w = {.cx = cx, .memory = mem, .format = format, .config = config};
    for (int32_t i = 0; i < states_count(s); i++) {
        const state *item = states_at(s, i);
        if (item->tag == TAG_PARAMETER)
            w.capacity += strchr(item->name, '*') ? item->t.dim[0] : PACKED_PARTS;
    }
    w.items = ARENA_NEW(mem, saved, w.capacity + 1);
    safetensors_source *sources = ARENA_NEW(mem, safetensors_source, w.capacity + 1);
    if (!w.items || !sources) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < states_count(s); i++)
        if (states_at(s, i)->tag == TAG_PARAMETER) TRY(add_state(&w, states_at(s, i)));
    for (int64_t i = 0; i < w.count; i++) {
        const saved *item = &w.items[i];
        if (item->packed) {
            sources[i] = (safetensors_source){
                .name = item->name, .dtype = item->how.dtype, .n_dims = item->how.n_dims};
            memcpy(sources[i].shape, item->how.shape, sizeof item->how.shape);
            continue;
        }
        int64_t dtype = dtype_of(format ? format->name : item->t.format->name);
        if (dtype < 0)
            FAIL(cx, STATUS_UNSUPPORTED,
                 "'%s' is stored as %s; a model folder holds f32, bf16 or f16: ask for one",
                 item->name, item->t.format->name);
        sources[i] = (safetensors_source){
            .name = item->name, .dtype = dtypes[dtype].safetensors, .n_dims = item->t.rank};
        memcpy(sources[i].shape, item->t.dim, (size_t)item->t.rank * sizeof *item->t.dim);
        if (item->turned) sources[i].shape[0] = item->t.dim[1], sources[i].shape[1] = item->t.dim[0];
    }
    if (!w.count) FAIL(cx, STATUS_BAD_ARGUMENT, "there are no parameters to save in '%s'", folder);
    safetensors_contents contents = {
        .tensors = sources, .n_tensors = w.count, .produce = produce, .user = &w};
    return safetensors_write_folder(cx, folder, &contents, 0);
}

static status save_config(context *cx, arena *mem, const char *folder, const model_config *config,
                          const char *dtype) {
    char *path = arena_printf(mem, "%s/config.json", folder);
    if (!path) return STATUS_NO_MEMORY;
    json_writer w = json_writer_to_buffer(cx, 2);
    model_config_write(&w, config, dtype);
    status st = json_writer_finish(&w);
    if (st == STATUS_OK) st = file_write_whole(cx, path, w.bytes, w.size);
    json_writer_free(&w);
    return st;
}

/* Blocks lie along the inputs, where the folder's floats lie along the outputs. */
static status check_turned(context *cx, const model_config *config, const states *s) {
    const model_def *def = model_find(config->model_type, NULL);
    for (int32_t i = 0; def && def->experts_across && i < states_count(s); i++) {
        const state *item = states_at(s, i);
        if (item->tag == TAG_PARAMETER && item->t.rank == 3 && item->t.format->kind == NUM_BLOCK)
            FAIL(cx, STATUS_UNSUPPORTED,
                 "'%s' is in blocks of %s; load it as bf16 or f32 to save it", item->name,
                 item->t.format->name);
    }
    return STATUS_OK;
}

static bool holds_codes(const states *s) {
    for (int32_t i = 0; i < states_count(s); i++) {
        const state *item = states_at(s, i);
        if (item->tag == TAG_PARAMETER && item->t.format->kind == NUM_BLOCK) return true;
    }
    return false;
}

status model_save(context *cx, const char *folder, const model_config *config, const states *s,
                  const char *format) {
    int64_t dtype = dtype_of(format ? format : "f32");
    if (dtype < 0)
        FAIL(cx, STATUS_BAD_ARGUMENT, "a model is saved as f32, bf16 or f16, not '%s'", format);
    TRY_NOTE(cx, check_turned(cx, config, s), "saving the model '%s'", folder);
    if (mkdir(folder, 0777) && errno != EEXIST)
        FAIL(cx, STATUS_IO, "making the folder '%s': %s", folder, strerror(errno));
    arena mem = arena_make(cx);
    const num_format *as = format ? num_find(format) : NULL;
    model_config said = *config;
    if (format || !holds_codes(s)) said.packed.method = PACKED_NONE;
    status st = save_tensors(cx, &mem, folder, s, &said, as);
    if (st == STATUS_OK)
        st = save_config(cx, &mem, folder, &said, format ? dtypes[dtype].torch : NULL);
    arena_free(&mem);
    return st == STATUS_OK ? st : context_note(cx, st, "saving the model '%s'", folder);
}
