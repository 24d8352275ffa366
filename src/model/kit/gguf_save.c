/* States to a GGUF file: contents as GGUF has them, in the formats asked for. */
#include "model/kit/gguf_names.h"
#include "model/kit/rope_frequencies.h"
#include <stdio.h>
#include <string.h>

/* One tensor of the file. Its row r of matrix e is output r, or of those that take turns 2 r + turn, of the state's
 * matrix e. */
typedef struct written {
    const state *state; /* NULL: rope factors */
    gguf_contents_kind kind;
    bool across; /* outputs are the columns of the state's matrices */
    int32_t turn;
    const num_format *format;
    float *factors;
} written;

typedef struct writing {
    context *cx;
    arena *memory;
    const model_config *config;
    gguf_source *sources;
    written *items;
    int64_t count;
} writing;

/* Row r of what GGUF holds, in floats. */
static void take_row(const written *item, int64_t r, int64_t columns, float *out) {
    const tensor *t = &item->state->t;
    const num_format *f = t->format;
    int64_t turns = item->kind == GGUF_TURNS ? 2 : 1;
    const char *data = t->data;
    if (!item->across) {
        f->unpack(data + (r * turns + item->turn) * num_row_bytes(f, columns), 0, columns, out);
        for (int64_t i = 0; item->kind == GGUF_PLUS_ONE && i < columns; i++) out[i] += 1;
        return;
    }
    int64_t wide = t->dim[t->rank - 1], outputs = wide / turns;
    int64_t column = r % outputs * turns + item->turn, wide_bytes = num_row_bytes(f, wide);
    data += r / outputs * columns * wide_bytes + column * f->block_bytes;
    for (int64_t j = 0; j < columns; j++) f->unpack(data + j * wide_bytes, 0, 1, &out[j]);
}

/* The row of the state that row `row` of the file holds: gguf_row_of is a permutation within `span` rows. */
static int64_t *state_rows(const writing *w, const written *item, int64_t rows) {
    int64_t *of = context_alloc(w->cx, (size_t)rows * sizeof *of);
    for (int64_t r = 0; of && r < rows; r++) of[gguf_row_of(w->config, item->kind, r)] = r;
    return of;
}

static status produce(void *user, int64_t index, file_writer *out) {
    const writing *w = user;
    const written *item = &w->items[index];
    const gguf_source *s = &w->sources[index];
    if (!item->state) return file_write(out, item->factors, s->shape[0] * (int64_t)sizeof(float));
    bool moves = item->kind == GGUF_PAIRS || item->kind == GGUF_BY_HEAD;
    bool of_vectors = item->across && item->state->t.rank == 2 && item->kind == GGUF_TURNS;
    int64_t columns = (moves && s->n_dims == 1) || of_vectors ? 1 : s->shape[0];
    int64_t rows = tensor_elems(&item->state->t) / columns / (item->kind == GGUF_TURNS ? 2 : 1);
    int64_t row_bytes = num_row_bytes(item->format, columns);
    int64_t *of = moves ? state_rows(w, item, rows) : NULL;
    float *row = context_alloc(w->cx, (size_t)columns * sizeof *row + (size_t)row_bytes);
    status st = row && (of || !moves) ? STATUS_OK : STATUS_NO_MEMORY;
    const tensor *t = &item->state->t;
    bool alike = item->format == t->format && !item->across && item->kind != GGUF_PLUS_ONE &&
                 item->kind != GGUF_TURNS;
    for (int64_t r = 0; r < rows && st == STATUS_OK; r++) {
        int64_t from = of ? of[r] : r;
        if (alike) {
            st = file_write(out, (const char *)t->data + from * row_bytes, row_bytes);
            continue;
        }
        take_row(item, from, columns, row);
        item->format->pack(row, columns, row + columns);
        st = file_write(out, row + columns, row_bytes);
    }
    context_release(w->cx, row);
    context_release(w->cx, of);
    return st;
}

static status add_tensor(writing *w, const written *item, const char *name,
                         const gguf_dtype *dtype) {
    const tensor *t = &item->state->t;
    gguf_source *s = &w->sources[w->count];
    int64_t turns = item->kind == GGUF_TURNS ? 2 : 1, last = t->rank - 1;
    w->items[w->count++] = *item;
    *s = (gguf_source){.name = arena_strdup(w->memory, name), .dtype = dtype, .n_dims = t->rank};
    if (!s->name) return STATUS_NO_MEMORY;
    for (int32_t d = 0; d < s->n_dims; d++) s->shape[d] = t->dim[last - d];
    bool turned = item->across && !(turns == 2 && t->rank == 2);
    if (turned) s->shape[0] = t->dim[last - 1], s->shape[1] = t->dim[last];
    s->shape[t->rank > 2 || turned ? 1 : 0] /= turns;
    return STATUS_OK;
}

static status add_state(writing *w, const state *item, const gguf_saving *how) {
    gguf_name name;
    if (!gguf_name_of(w->config, item->name, &name))
        FAIL(w->cx, STATUS_UNSUPPORTED, "GGUF has no name for '%s'", item->name);
    written to = {.state = item, .kind = name.kind, .format = item->t.format};
    if (how->format) to.format = how->format(how->user, item->name, item->t.rank);
    if (item->t.rank < 2 || (to.kind == GGUF_TURNS && item->t.rank == 2))
        to.format = num_find("f32");
    const gguf_dtype *dtype = to.format ? gguf_dtype_of_name(to.format->name) : NULL;
    if (!dtype)
        FAIL(w->cx, STATUS_UNSUPPORTED, "GGUF has no format %s, asked for '%s'",
             to.format ? to.format->name : "", item->name);
    bool plain = item->t.format->kind == NUM_FLOAT;
    bool expert = item->t.rank == 3 && model_find(w->config->model_type, NULL)->experts_across;
    to.across = (name.kind == GGUF_TRANSPOSED && !w->config->upright) || (expert && plain) ||
                (to.kind == GGUF_TURNS && item->t.rank == 2);
    TRY(add_tensor(w, &to, name.name, dtype));
    to.turn = 1;
    return to.kind == GGUF_TURNS ? add_tensor(w, &to, name.second, dtype) : STATUS_OK;
}

static status add_factors(writing *w, const char *name, const double *factors, int64_t count) {
    written *to = &w->items[w->count];
    *to = (written){.factors = ARENA_NEW(w->memory, float, count + 1)};
    if (!to->factors) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < count; i++) to->factors[i] = (float)factors[i];
    w->sources[w->count++] = (gguf_source){
        .name = name, .dtype = gguf_dtype_of_name("f32"), .n_dims = 1, .shape = {count}};
    return STATUS_OK;
}

/* What metadata cannot say of rope: frequencies without scaling over those with it. */
static status add_rope(writing *w) {
    const model_rope *rope = &w->config->rope;
    if (gguf_rope_is_one_list(w->config))
        return add_factors(w, "rope_freqs.weight", rope->short_factors, rope->short_count);
    if (rope->type == MODEL_ROPE_LONG) {
        TRY(add_factors(w, "rope_factors_short.weight", rope->short_factors, rope->short_count));
        return add_factors(w, "rope_factors_long.weight", rope->long_factors, rope->long_count);
    }
    if (rope->type != MODEL_ROPE_LLAMA3 && rope->type != MODEL_ROPE_DYNAMIC) return STATUS_OK;
    model_config plain = *w->config;
    float scaled[MODEL_MOST_FREQUENCIES], unscaled[MODEL_MOST_FREQUENCIES];
    double factors[MODEL_MOST_FREQUENCIES];
    plain.rope.type = MODEL_ROPE_PLAIN;
    rope_frequencies(w->config, false, scaled);
    rope_frequencies(&plain, false, unscaled);
    int64_t pairs = rope_rotary(w->config) / 2;
    for (int64_t j = 0; j < pairs; j++) factors[j] = (double)unscaled[j] / (double)scaled[j];
    return add_factors(w, "rope_freqs.weight", factors, pairs);
}

static status write_all(writing *w, const char *path, const states *s, const gguf_saving *how) {
    gguf_pairs *pairs = ARENA_NEW(w->memory, gguf_pairs, 1);
    int64_t most = 2 * states_count(s) + 2;
    w->sources = ARENA_NEW(w->memory, gguf_source, most);
    w->items = ARENA_NEW(w->memory, written, most);
    if (!pairs || !w->sources || !w->items) return STATUS_NO_MEMORY;
    pairs->memory = w->memory;
    TRY(gguf_config_write(w->cx, pairs, w->config));
    for (int64_t i = 0; i < how->n_pairs; i++)
        gguf_pair_add(pairs, how->pairs[i].key)->value = how->pairs[i].value;
    TRY(pairs->st);
    TRY(add_rope(w));
    for (int32_t i = 0; i < states_count(s); i++)
        if (states_at(s, i)->tag == TAG_PARAMETER) TRY(add_state(w, states_at(s, i), how));
    gguf_contents contents = {.pairs = pairs->items,
                              .n_pairs = pairs->count,
                              .tensors = w->sources,
                              .n_tensors = w->count,
                              .produce = produce,
                              .user = w};
    return gguf_write(w->cx, path, &contents);
}

status model_save_gguf(context *cx, const char *path, const model_config *config, const states *s,
                       const gguf_saving *how) {
    const model_variant *variant;
    if (!model_find(config->model_type, &variant) || !variant->gguf)
        FAIL(cx, STATUS_UNSUPPORTED, "GGUF has no name for models of type '%s'",
             config->model_type);
    arena mem = arena_make(cx);
    writing w = {.cx = cx, .memory = &mem, .config = config};
    status st = write_all(&w, path, s, how);
    arena_free(&mem);
    return st == STATUS_OK ? st : context_note(cx, st, "saving the model '%s'", path);
}
