/* States from files: by name, mapped where they can be, else converted row by row. */
#include "model/kit/gguf_names.h"
#include <stdio.h>
#include <string.h>

/* The file's tensor for a state, or for one expert of it, and how its contents differ. */
typedef struct source {
    const modelfile_tensor *tensor; /* NULL: there is none */
    const modelfile_tensor *second; /* of two that take turns */
    gguf_contents_kind kind;
    bool whole; /* of all experts at once */
} source;

static const modelfile_tensor *find_in_folder(const model *m, const char *name) {
    const modelfile_tensor *t = modelfile_find(&m->file, name);
    size_t n = strlen(m->def->prefix);
    if (!t && !strncmp(name, m->def->prefix, n)) return modelfile_find(&m->file, name + n);
    if (t) return t;
    char whole[256];
    snprintf(whole, sizeof whole, "%s%s", m->def->prefix, name);
    return modelfile_find(&m->file, whole);
}

static source find_source(const model *m, const char *state, int64_t expert) {
    source s = {.whole = true};
    if (m->file.kind == MODELFILE_GGUF) {
        gguf_name name;
        if (gguf_name_of(&m->config, state, &name)) {
            s.tensor = modelfile_find(&m->file, name.name);
            s.kind = name.kind;
            if (s.kind == GGUF_TURNS) s.second = modelfile_find(&m->file, name.second);
        }
        return s;
    }
    const char *star = strchr(state, '*');
    char name[256];
    if (star)
        snprintf(name, sizeof name, "%.*s%lld%s", (int)(star - state), state, (long long)expert,
                 star + 1);
    s.tensor = find_in_folder(m, star ? name : state);
    s.whole = !star;
    return s;
}

const num_format *model_stored_format(void *m, const char *name, int32_t rank) {
    if (rank < 2) return num_find("f32");
    source s = find_source(m, name, 0);
    return s.tensor && s.tensor->format ? s.tensor->format : num_find("f32");
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

/* `to` is the state, or one expert of it. */
static status check_source(const model *m, const source *s, const tensor *to, const char *state) {
    const modelfile_tensor *t = s->tensor;
    if (!t) FAIL(m->cx, STATUS_BAD_DATA, "there is no tensor for '%s'", state);
    if (!t->format)
        FAIL(m->cx, STATUS_UNSUPPORTED, "the format '%s' of tensor '%s' is not supported",
             t->format_name, t->name);
    bool same = t->n_dims == to->rank, across = s->kind == GGUF_TRANSPOSED;
    for (int32_t d = 0; same && d < t->n_dims; d++)
        same = t->shape[across && d >= t->n_dims - 2 ? 2 * t->n_dims - 3 - d : d] == to->dim[d];
    if (same) return STATUS_OK;
    FAIL(m->cx, STATUS_BAD_DATA,
         "tensor '%s' is [%lld, %lld], but the configuration says [%lld, %lld]", t->name,
         (long long)(t->n_dims > 0 ? t->shape[0] : 1), (long long)(t->n_dims > 1 ? t->shape[1] : 1),
         (long long)(to->rank > 0 ? to->dim[0] : 1), (long long)(to->rank > 1 ? to->dim[1] : 1));
}

/* The same of two tensors, each with every other output. */
static status check_turns(const model *m, const source *s, const tensor *to, const char *state) {
    bool across = to->rank < 3 || to->format->kind == NUM_FLOAT;
    tensor half = {.rank = to->rank, .dim = {to->dim[0]}};
    half.dim[1] = to->dim[across ? to->rank - 1 : 1] / 2;
    if (to->rank > 2) half.dim[2] = to->dim[across ? 1 : 2];
    source one = {.tensor = s->tensor, .whole = true}, two = {.tensor = s->second, .whole = true};
    TRY(check_source(m, &one, &half, state));
    return check_source(m, &two, &half, state);
}

/* `count` rows of the source in floats. */
static status take_rows(const model *m, const source *s, int64_t from, int64_t count,
                        int64_t columns, char *raw, float *out) {
    const num_format *f = s->tensor->format;
    int64_t row_bytes = num_row_bytes(f, columns);
    TRY(modelfile_rows(&m->file, s->tensor, from, from + count, raw));
    for (int64_t r = 0; r < count; r++)
        f->unpack(raw + r * row_bytes, 0, columns, out + r * columns);
    return STATUS_OK;
}

/* A matrix turned over: element j of a row of `to` is of row j of `all`, whose rows are `rows` long. */
static char *put_across(const float *all, int64_t rows, int64_t columns, float *row,
                        const num_format *f, char *out) {
    for (int64_t r = 0; r < rows; r++, out += num_row_bytes(f, columns)) {
        for (int64_t j = 0; j < columns; j++) row[j] = all[j * rows + r];
        f->pack(row, columns, out);
    }
    return out;
}

static status fill_across(const model *m, const source *s, const tensor *to) {
    int64_t rows = to->dim[to->rank - 2], columns = to->dim[to->rank - 1];
    int64_t matrices = tensor_elems(to) / (rows * columns);
    size_t raw_bytes = (size_t)(columns * num_row_bytes(s->tensor->format, rows));
    float *all = context_alloc(m->cx, (size_t)(rows * columns + columns) * sizeof *all);
    char *raw = all ? context_alloc(m->cx, raw_bytes) : NULL, *out = to->data;
    status st = raw ? STATUS_OK : STATUS_NO_MEMORY;
    for (int64_t i = 0; i < matrices && st == STATUS_OK; i++) {
        st = take_rows(m, s, i * columns, columns, rows, raw, all);
        if (st == STATUS_OK)
            out = put_across(all, rows, columns, all + rows * columns, to->format, out);
    }
    context_release(m->cx, raw);
    context_release(m->cx, all);
    return st;
}

/* Outputs that take turns between two tensors: of matrices [experts, outputs, inputs], of those turned over, and
 * of biases [experts, outputs], which are as matrices of one input turned over. */
static status fill_turns(const model *m, const source *s, const tensor *to) {
    bool across = to->rank < 3 || to->format->kind == NUM_FLOAT;
    int64_t inputs = to->rank < 3 ? 1 : to->dim[across ? 1 : 2];
    int64_t outputs = to->dim[across ? to->rank - 1 : 1], half = outputs / 2;
    int64_t row_bytes = num_row_bytes(to->format, inputs);
    float *all = context_alloc(m->cx, (size_t)((inputs + 1) * outputs) * sizeof *all);
    char *out = to->data;
    if (!all) return STATUS_NO_MEMORY;
    for (int64_t e = 0; e < to->dim[0]; e++) {
        for (int64_t o = 0; o < outputs; o++) {
            const modelfile_tensor *from = o % 2 ? s->second : s->tensor;
            const char *row =
                (const char *)from->data + (e * half + o / 2) * num_row_bytes(from->format, inputs);
            if (!across && from->format == to->format) {
                memcpy(out + o * row_bytes, row, (size_t)row_bytes);
                continue;
            }
            from->format->unpack(row, 0, inputs, all + o * inputs);
            if (!across) to->format->pack(all + o * inputs, inputs, out + o * row_bytes);
        }
        out = across ? put_across(all, inputs, outputs, all + inputs * outputs, to->format, out)
                     : out + outputs * row_bytes;
    }
    context_release(m->cx, all);
    return STATUS_OK;
}

enum { ROWS_AT_ONCE = 16 };

static status fill(const model *m, const source *s, const tensor *to) {
    if (s->kind == GGUF_TRANSPOSED) return fill_across(m, s, to);
    if (s->kind == GGUF_TURNS) return fill_turns(m, s, to);
    const num_format *from = s->tensor->format;
    bool moves = s->kind == GGUF_PAIRS || s->kind == GGUF_BY_HEAD;
    bool alike = from == to->format && s->kind != GGUF_PLUS_ONE;
    int64_t columns = to->rank && !(moves && to->rank == 1) ? to->dim[to->rank - 1] : 1;
    int64_t rows = columns ? tensor_elems(to) / columns : 0, each = moves ? 1 : ROWS_AT_ONCE;
    int64_t in_bytes = num_row_bytes(from, columns), out_bytes = num_row_bytes(to->format, columns);
    float *values = context_alloc(m->cx, (size_t)(each * columns) * sizeof *values);
    char *raw = values ? context_alloc(m->cx, (size_t)(each * in_bytes)) : NULL, *out = to->data;
    status st = raw ? STATUS_OK : STATUS_NO_MEMORY;
    for (int64_t r = 0; r < rows && st == STATUS_OK; r += each) {
        int64_t count = MIN_OF(each, rows - r);
        int64_t at = moves ? gguf_row_of(&m->config, s->kind, r) : r;
        if (moves && to->rank == 1) {
            from->unpack((const char *)s->tensor->data + at * in_bytes, 0, 1, values);
        } else if (alike) {
            st = modelfile_rows(&m->file, s->tensor, at, at + count, out + r * out_bytes);
            continue;
        } else {
            st = take_rows(m, s, at, count, columns, raw, values);
        }
        for (int64_t i = 0; s->kind == GGUF_PLUS_ONE && i < count * columns; i++) values[i] -= 1;
        for (int64_t i = 0; i < count && st == STATUS_OK; i++)
            to->format->pack(values + i * columns, columns, out + (r + i) * out_bytes);
    }
    context_release(m->cx, raw);
    context_release(m->cx, values);
    return st;
}

/* The tensor of one expert within a state of all. */
static tensor expert_of(const tensor *all, int64_t expert) {
    tensor one = *all;
    one.rank--;
    memmove(one.dim, one.dim + 1, (size_t)one.rank * sizeof *one.dim);
    one.data = (char *)all->data + expert * tensor_bytes(&one);
    return one;
}

static status load_state(const model *m, states *s, const graph *g, const node *n) {
    state *item;
    if (states_find(s, n->name)) return states_bind(s, g, n, &item);
    source from = find_source(m, n->name, 0);
    const modelfile_tensor *t = from.tensor;
    bool of_gguf = m->file.kind == MODELFILE_GGUF;
    if (t && m->def->experts_across && t->n_dims == 3 && t->format && from.kind == GGUF_ALIKE &&
        (of_gguf || t->format->kind == NUM_BLOCK) && n->out[0].format->kind == NUM_FLOAT)
        from.kind = GGUF_TRANSPOSED; /* they lie along the inputs, the state along the outputs */
    if (t && t->format && model_lies_across(&m->config, n->name)) {
        bool upright = of_gguf || t->format->kind == NUM_BLOCK;
        from.kind = upright == m->config.upright ? GGUF_ALIKE : GGUF_TRANSPOSED;
    }
    tensor shape = {.format = n->out[0].format, .rank = n->out[0].rank};
    for (int32_t d = 0; d < shape.rank; d++) shape.dim[d] = n->out[0].dim[d].add;
    if (from.kind == GGUF_TURNS)
        TRY(check_turns(m, &from, &shape, n->name));
    else if (from.whole)
        TRY(check_source(m, &from, &shape, n->name));
    if (from.whole && from.kind == GGUF_ALIKE && t->data && t->format == n->out[0].format &&
        is_aligned(t->format, t->data) && !is_written(g, n->id))
        return states_borrow(s, g, n, t->data);
    TRY(states_bind(s, g, n, &item));
    if (from.whole) return fill(m, &from, &item->t);
    for (int64_t e = 0; e < item->t.dim[0]; e++) {
        tensor one = expert_of(&item->t, e);
        from = find_source(m, n->name, e);
        TRY(check_source(m, &from, &one, n->name));
        TRY(fill(m, &from, &one));
    }
    return STATUS_OK;
}

static bool is_parameter(const node *n) {
    return n->op == &op_state && n->tag == TAG_PARAMETER;
}

/* Buffers that old files hold beside the parameters. */
static bool is_buffer(const char *name) {
    static const char *const ends[] = {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias",
                                       ".attention.bias", ".attention.masked_bias"};
    size_t n = strlen(name);
    for (int64_t i = 0; i < COUNT_OF(ends); i++)
        if (n >= strlen(ends[i]) && !strcmp(name + n - strlen(ends[i]), ends[i])) return true;
    return false;
}

static bool is_of_layer(const char *name) {
    for (const char *p = strchr(name, '.'); p; p = strchr(p + 1, '.'))
        if (p[1] >= '0' && p[1] <= '9') return true;
    return false;
}

/* A tensor of a layer that the graph does not read means that the file is of something else. */
static status check_known(const model *m, const graph *g, arena *mem) {
    bool *used = ARENA_NEW(mem, bool, m->file.n_tensors + 1);
    if (!used) return STATUS_NO_MEMORY;
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        if (!is_parameter(n)) continue;
        int64_t experts = strchr(n->name, '*') ? n->out[0].dim[0].add : 1;
        for (int64_t e = 0; e < experts; e++) {
            source s = find_source(m, n->name, e);
            if (s.tensor) used[s.tensor - m->file.tensors] = true;
            if (s.second) used[s.second - m->file.tensors] = true;
        }
    }
    for (int64_t i = 0; i < m->file.n_tensors; i++) {
        const char *name = m->file.tensors[i].name;
        if (!used[i] && is_of_layer(name) && !is_buffer(name))
            FAIL(m->cx, STATUS_UNSUPPORTED,
                 "a model of type '%s' as Hone builds it has no tensor '%s'", m->config.model_type,
                 name);
    }
    return STATUS_OK;
}

status model_load(model *m, states *s, const graph *g) {
    arena mem = arena_make(m->cx);
    status st = check_known(m, g, &mem);
    arena_free(&mem);
    TRY_NOTE(m->cx, st, "'%s'", m->path);
    for (int32_t id = 0; id < g->n_nodes; id++)
        if (is_parameter(g->nodes[id]))
            TRY_NOTE(m->cx, load_state(m, s, g, g->nodes[id]), "'%s'", m->path);
    return model_fill_tables(&m->config, s, g);
}
