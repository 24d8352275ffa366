/* States from and to files: by name, mapped where they can be, else converted row by row. */
#include "base/json_write.h"
#include "base/rng.h"
#include "model/kit/model.h"
#include "model/kit/rope_frequencies.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

static bool ends_with_any(const char *text, const char *const *ends) {
    for (; *ends; ends++)
        if (ends_with(text, *ends)) return true;
    return false;
}

/* ---- loading ---- */

/* The file's tensor for a state; files of a base model leave its prefix out. */
static const modelfile_tensor *find_tensor(const model *m, const char *name) {
    const modelfile_tensor *t = modelfile_find(&m->file, name);
    size_t n = strlen(m->def->prefix);
    if (t || strncmp(name, m->def->prefix, n) != 0) return t;
    return modelfile_find(&m->file, name + n);
}

const num_format *model_stored_format(void *m, const char *name, int32_t rank) {
    const modelfile_tensor *t = rank > 1 ? find_tensor(m, name) : NULL;
    return t ? t->format : num_find("f32");
}

static bool is_written(const graph *g, int32_t node) {
    for (int32_t id = node + 1; id < g->n_nodes; id++)
        for (int32_t o = 0; o < g->nodes[id]->n_out; o++)
            if (g->nodes[id]->op->writes[o] && graph_storage(g, (value){id, o}).node == node)
                return true;
    return false;
}

static bool is_aligned(const num_format *f, const void *data) {
    return f->kind != NUM_FLOAT || (uintptr_t)data % (uintptr_t)f->block_bytes == 0;
}

static status check_shape(const model *m, const node *n, const modelfile_tensor *t) {
    bool same = t->n_dims == n->out[0].rank;
    for (int32_t d = 0; same && d < t->n_dims; d++) same = extent_is(n->out[0].dim[d], t->shape[d]);
    if (same) return STATUS_OK;
    FAIL(m->cx, STATUS_BAD_DATA,
         "tensor '%s' is %lld x %lld, but the configuration says %lld x %lld", t->name,
         (long long)(t->n_dims > 0 ? t->shape[0] : 1), (long long)(t->n_dims > 1 ? t->shape[1] : 1),
         (long long)n->out[0].dim[0].add,
         (long long)(n->out[0].rank > 1 ? n->out[0].dim[1].add : 1));
}

static status convert(context *cx, const num_format *from, const void *source, const tensor *to) {
    int64_t columns = to->rank ? to->dim[to->rank - 1] : 1;
    int64_t rows = columns ? tensor_elems(to) / columns : 0;
    float *row = context_alloc(cx, (size_t)columns * sizeof *row);
    if (!row) return STATUS_NO_MEMORY;
    const char *in = source;
    char *out = to->data;
    for (int64_t r = 0; r < rows; r++) {
        from->unpack(in, 0, columns, row);
        to->format->pack(row, columns, out);
        in += num_row_bytes(from, columns);
        out += num_row_bytes(to->format, columns);
    }
    context_release(cx, row);
    return STATUS_OK;
}

static status load_state(const model *m, states *s, const graph *g, const node *n) {
    state *item;
    if (states_find(s, n->name)) return states_bind(s, g, n, &item);
    const modelfile_tensor *t = find_tensor(m, n->name);
    if (!t) FAIL(m->cx, STATUS_BAD_DATA, "there is no tensor '%s'", n->name);
    TRY(check_shape(m, n, t));
    if (!t->format)
        FAIL(m->cx, STATUS_UNSUPPORTED, "the format '%s' of tensor '%s' is not supported",
             t->format_name, t->name);
    if (t->format == n->out[0].format && is_aligned(t->format, t->data) && !is_written(g, n->id))
        return states_borrow(s, g, n, t->data);
    TRY(states_bind(s, g, n, &item));
    if (t->format != item->t.format) return convert(m->cx, t->format, t->data, &item->t);
    memcpy(item->t.data, t->data, (size_t)t->size_bytes);
    return STATUS_OK;
}

static bool is_parameter(const node *n) {
    return n->op == &op_state && n->tag == TAG_PARAMETER;
}

static bool has_number(const char *name) {
    for (const char *p = strchr(name, '.'); p; p = strchr(p + 1, '.'))
        if (p[1] >= '0' && p[1] <= '9') return true;
    return false;
}

/* Buffers that old files hold beside the parameters. */
static const char *const buffers[] = {".rotary_emb.inv_freq",   ".attn.bias",
                                      ".attn.masked_bias",      ".attention.bias",
                                      ".attention.masked_bias", NULL};

/* A tensor of a layer that the graph does not read means that the file is of something else. */
static status check_known(const model *m, const graph *g) {
    for (int64_t i = 0; i < m->file.n_tensors; i++) {
        const char *name = m->file.tensors[i].name;
        if (!has_number(name) || ends_with_any(name, buffers)) continue;
        char whole[256];
        snprintf(whole, sizeof whole, "%s%s", m->def->prefix, name);
        if (value_absent(graph_find(g, name)) && value_absent(graph_find(g, whole)))
            FAIL(m->cx, STATUS_UNSUPPORTED,
                 "a model of type '%s' as Hone builds it has no tensor '%s'", m->config.model_type,
                 name);
    }
    return STATUS_OK;
}

status model_load(model *m, states *s, const graph *g) {
    TRY_NOTE(m->cx, check_known(m, g), "'%s'", m->path);
    for (int32_t id = 0; id < g->n_nodes; id++)
        if (is_parameter(g->nodes[id]))
            TRY_NOTE(m->cx, load_state(m, s, g, g->nodes[id]), "'%s'", m->path);
    return model_fill_tables(&m->config, s, g);
}

/* ---- what follows from the configuration, and initial weights ---- */

status model_fill_tables(const model_config *config, states *s, const graph *g) {
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        if (n->op != &op_state || strncmp(n->name, "rope.", 5) != 0) continue;
        state *item;
        TRY(states_bind(s, g, n, &item));
        rope_frequencies(config, !strcmp(n->name, "rope.local_frequencies"), item->t.data);
    }
    return STATUS_OK;
}

static const char *const into_residual[] = {".o_proj.weight", ".down_proj.weight", ".c_proj.weight",
                                            NULL};

static void draw(const model_config *c, const state *item, uint64_t seed, int64_t first,
                 int64_t count, float *out) {
    bool bias = ends_with(item->name, ".bias");
    if (item->t.rank == 1 && (bias || ends_with(item->name, ".weight"))) {
        for (int64_t i = 0; i < count; i++) out[i] = bias || c->norm_plus_one ? 0 : 1;
        return;
    }
    double scale = c->initializer_range;
    if (ends_with_any(item->name, into_residual)) scale /= sqrt(2 * (double)c->layers);
    rng_fill_normal(seed, rng_stream(item->name), first, count, out);
    for (int64_t i = 0; i < count; i++) out[i] *= (float)scale;
}

status model_init(const model_config *config, states *s, const graph *g, uint64_t seed) {
    for (int32_t id = 0; id < g->n_nodes; id++) {
        if (!is_parameter(g->nodes[id]) || states_find(s, g->nodes[id]->name)) continue;
        state *item;
        TRY(states_bind(s, g, g->nodes[id], &item));
        int64_t columns = item->t.dim[item->t.rank - 1], rows = tensor_elems(&item->t) / columns;
        float *row = context_alloc(g->cx, (size_t)columns * sizeof *row);
        if (!row) return STATUS_NO_MEMORY;
        for (int64_t r = 0; r < rows; r++) {
            draw(config, item, seed, r * columns, columns, row);
            item->t.format->pack(row, columns,
                                 (char *)item->t.data + r * num_row_bytes(item->t.format, columns));
        }
        context_release(g->cx, row);
    }
    return model_fill_tables(config, s, g);
}

/* ---- saving ---- */

static const struct {
    const char *format, *safetensors, *torch;
} dtypes[] = {{"f32", "F32", "float32"}, {"bf16", "BF16", "bfloat16"}, {"f16", "F16", "float16"}};

static int64_t dtype_of(const char *format) {
    for (int64_t i = 0; i < COUNT_OF(dtypes); i++)
        if (!strcmp(dtypes[i].format, format)) return i;
    return -1;
}

typedef struct saving {
    context *cx;
    const state **items;
    const num_format *format; /* NULL: each its own */
} saving;

static status produce(void *user, int64_t index, file_writer *out) {
    const saving *w = user;
    const tensor *t = &w->items[index]->t;
    tensor to = *t;
    to.format = w->format ? w->format : t->format;
    int64_t size_bytes = tensor_bytes(&to);
    if (to.format == t->format) return file_write(out, t->data, size_bytes);
    to.data = context_alloc(w->cx, (size_t)size_bytes);
    if (!to.data) return STATUS_NO_MEMORY;
    status st = convert(w->cx, t->format, t->data, &to);
    if (st == STATUS_OK) st = file_write(out, to.data, size_bytes);
    context_release(w->cx, to.data);
    return st;
}

static status save_tensors(context *cx, arena *mem, const char *folder, const states *s,
                           const num_format *format) {
    int64_t n = states_count(s);
    safetensors_source *sources = ARENA_NEW(mem, safetensors_source, n + 1);
    saving w = {.cx = cx, .items = ARENA_NEW(mem, const state *, n + 1), .format = format};
    if (!sources || !w.items) return STATUS_NO_MEMORY;
    safetensors_contents contents = {.tensors = sources, .produce = produce, .user = &w};
    for (int32_t i = 0; i < n; i++) {
        const state *item = states_at(s, i);
        if (item->tag != TAG_PARAMETER) continue;
        int64_t dtype = dtype_of(format ? format->name : item->t.format->name);
        if (dtype < 0)
            FAIL(cx, STATUS_UNSUPPORTED,
                 "'%s' is stored as %s; a model folder holds f32, bf16 or f16: ask for one",
                 item->name, item->t.format->name);
        safetensors_source *to = &sources[contents.n_tensors];
        *to = (safetensors_source){
            .name = item->name, .dtype = dtypes[dtype].safetensors, .n_dims = item->t.rank};
        memcpy(to->shape, item->t.dim, (size_t)item->t.rank * sizeof *to->shape);
        w.items[contents.n_tensors++] = item;
    }
    if (!contents.n_tensors)
        FAIL(cx, STATUS_BAD_ARGUMENT, "there are no parameters to save in '%s'", folder);
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

status model_save(context *cx, const char *folder, const model_config *config, const states *s,
                  const char *format) {
    int64_t dtype = dtype_of(format ? format : "f32");
    if (dtype < 0)
        FAIL(cx, STATUS_BAD_ARGUMENT, "a model is saved as f32, bf16 or f16, not '%s'", format);
    if (mkdir(folder, 0777) && errno != EEXIST)
        FAIL(cx, STATUS_IO, "making the folder '%s': %s", folder, strerror(errno));
    arena mem = arena_make(cx);
    status st = save_tensors(cx, &mem, folder, s, format ? num_find(format) : NULL);
    if (st == STATUS_OK)
        st = save_config(cx, &mem, folder, config, format ? dtypes[dtype].torch : NULL);
    arena_free(&mem);
    return st == STATUS_OK ? st : context_note(cx, st, "saving the model '%s'", folder);
}
