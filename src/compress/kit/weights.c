/* The weights that a chain works on: listed from the parent, replaced one by one, bound to graphs (kit/compress.h). */
#include "compress/kit/compress.h"
#include "infer/weights.h"
#include <string.h>

status weights_build(compress *c, const model_config *config,
                     const num_format *(*format)(void *user, const char *name, int32_t rank),
                     void *user, graph **out) {
    *out = graph_new(c->cx);
    if (!*out) return STATUS_NO_MEMORY;
    model_build b = {.g = *out, .config = config, .def = c->def, .format = format, .user = user};
    value y = model_hidden(&b, model_build_inputs(*out, 1, 1));
    if (c->def->logits) y = model_logits(&b, y);
    graph_mark(*out, MARK_OUTPUT, "y", y, NO_VALUE);
    status st = graph_status(*out);
    if (st == STATUS_OK) return st;
    graph_free(*out);
    *out = NULL;
    return st;
}

status weights_graph(compress *c, graph **out) {
    return weights_build(c, &c->config, weights_format, c, out);
}

static status list_weights(compress *c) {
    weight *list = ARENA_NEW(c->memory, weight, states_count(c->store) + 1);
    if (!list) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < states_count(c->store); i++) {
        const state *s = states_at(c->store, i);
        if (s->tag == TAG_PARAMETER)
            list[c->n_weights++] = (weight){.name = s->name, .t = s->t, .held = !s->borrowed};
    }
    c->weights = list;
    return STATUS_OK;
}

/* As stored; floats of which some are not kept are what every method takes as floats. */
static const num_format *open_format(void *m, const char *name, int32_t rank) {
    const num_format *f = model_stored_format(m, name, rank);
    return f->kept ? num_find("bf16") : f;
}

status weights_open(compress *c, const char *path) {
    graph *g;
    TRY(model_open(c->cx, path, &c->parent));
    c->parent->config.upright = true;
    c->config = c->parent->config;
    c->def = c->parent->def;
    c->store = states_new(c->cx);
    if (!c->store) return STATUS_NO_MEMORY;
    TRY(weights_build(c, &c->config, open_format, c->parent, &g));
    status st = model_load(c->parent, c->store, g);
    graph_free(g);
    return st == STATUS_OK ? list_weights(c) : st;
}

static void forget(compress *c) {
    for (int64_t i = 0; i < c->n_weights; i++)
        if (c->weights[i].owned) context_release(c->cx, c->weights[i].t.data);
    c->n_weights = 0;
    states_free(c->store);
    c->store = NULL;
}

/* The parameters of a graph, which may go. */
static status list_nodes(compress *c, const graph *g) {
    weight *list = ARENA_NEW(c->memory, weight, g->n_nodes + 1);
    if (!list) return STATUS_NO_MEMORY;
    c->n_weights = 0;
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        if (n->op != &op_state || n->tag != TAG_PARAMETER) continue;
        const type *t = &n->out[0];
        weight *w = &list[c->n_weights++];
        *w = (weight){.name = arena_strdup(c->memory, n->name),
                      .t = {.format = t->format, .rank = t->rank},
                      .held = model_lies_across(&c->config, n->name)}; /* turned as it is read */
        if (!w->name) return STATUS_NO_MEMORY;
        for (int32_t d = 0; d < t->rank; d++) w->t.dim[d] = t->dim[d].add;
    }
    c->weights = list;
    return STATUS_OK;
}

status weights_imagine(compress *c, const model_config *config,
                       const num_format *(*format)(void *user, const char *name, int32_t rank),
                       void *user) {
    graph *g;
    c->config = *config;
    c->config.upright = true;
    c->def = model_find(config->model_type, NULL);
    TRY(weights_build(c, &c->config, format, user, &g));
    status st = list_nodes(c, g);
    graph_free(g);
    return st;
}

void weights_close(compress *c) {
    forget(c);
    model_close(c->parent);
    c->parent = NULL;
}

/* What the parent's matrices are stored in where that is a float, else bf16; vectors are f32. */
static const num_format *student_format(void *user, const char *name, int32_t rank) {
    (void)name;
    return rank > 1 ? user : num_find("f32");
}

static const num_format *parent_float(const compress *c) {
    for (int64_t i = 0; i < c->n_weights; i++)
        if (c->weights[i].t.rank > 1 && c->weights[i].t.format->kind == NUM_FLOAT)
            return c->weights[i].t.format;
    return num_find("bf16");
}

status weights_restart(compress *c, const char *preset) {
    const model_config parent = c->config; /* nothing came before: it is as it was opened */
    const num_format *format = parent_float(c);
    model_config config;
    graph *g;
    TRY(model_preset(c->cx, preset, &config));
    config.upright = true;
    config.vocabulary = parent.vocabulary;
    config.begin_token = parent.begin_token;
    config.pad_token = parent.pad_token;
    config.end_token_count = parent.end_token_count;
    memcpy(config.end_tokens, parent.end_tokens, sizeof config.end_tokens);
    c->facts = 0;
    c->coded = NULL;
    forget(c);
    if (c->foresees) {
        TRY(weights_imagine(c, &config, student_format, (void *)format));
        return products_find(c);
    }
    c->config = config;
    c->def = model_find(config.model_type, NULL);
    c->store = states_new(c->cx);
    if (!c->store) return STATUS_NO_MEMORY;
    TRY(weights_build(c, &c->config, student_format, (void *)format, &g));
    status st = model_init(&c->config, c->store, g, c->seed);
    graph_free(g);
    if (st == STATUS_OK) st = list_weights(c);
    return st == STATUS_OK ? products_find(c) : st;
}

weight *weights_find(const compress *c, const char *name) {
    for (int64_t i = 0; i < c->n_weights; i++)
        if (!strcmp(c->weights[i].name, name)) return &c->weights[i];
    return NULL;
}

const num_format *weights_format(void *user, const char *name, int32_t rank) {
    const weight *w = weights_find(user, name);
    (void)rank;
    return w ? w->t.format : NULL;
}

void weights_rows(const weight *w, int64_t from, int64_t to, float *out) {
    tensor_rows rows = tensor_rows_of(&w->t);
    for (int64_t r = from; r < to; r++)
        w->t.format->unpack((const char *)w->t.data + r * rows.bytes, 0, rows.elems,
                            out + (r - from) * rows.elems);
}

void weights_values(const weight *w, float *out) {
    weights_rows(w, 0, tensor_rows_of(&w->t).count, out);
}

void weights_replace(compress *c, weight *w, const num_format *format, void *data) {
    w->held = true;
    if (c->foresees) {
        w->t.format = format;
        return;
    }
    const state *was = w->owned || !c->store ? NULL : states_find(c->store, w->name);
    if (w->owned)
        context_release(c->cx, w->t.data);
    else if (was && !was->borrowed)
        states_let_go(was);
    else
        weights_release(c->parent, w->t.data, tensor_bytes(&w->t));
    w->t.data = data;
    w->t.format = format;
    w->owned = true;
}

status weights_reshape(compress *c, weight *w, const int64_t *dim, const float *values) {
    const num_format *f = w->t.format->kind == NUM_FLOAT ? w->t.format : num_find("f32");
    tensor t = w->t;
    t.format = f;
    memcpy(t.dim, dim, (size_t)t.rank * sizeof *dim);
    tensor_rows rows = tensor_rows_of(&t);
    char *data = c->foresees ? NULL : context_alloc(c->cx, (size_t)MAX_OF(tensor_bytes(&t), 1));
    if (!data && !c->foresees) return STATUS_NO_MEMORY;
    for (int64_t r = 0; data && r < rows.count; r++)
        f->pack(values + r * rows.elems, rows.elems, data + r * rows.bytes);
    weights_replace(c, w, f, data);
    w->t = t;
    w->t.data = data;
    return STATUS_OK;
}

status weights_set_values(compress *c, weight *w, const float *values) {
    int64_t dim[MAX_RANK];
    memcpy(dim, w->t.dim, sizeof dim);
    return weights_reshape(c, w, dim, values);
}

status weights_bind(compress *c, const graph *g, states *out) {
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        if (n->op != &op_state || n->tag != TAG_PARAMETER) continue;
        const weight *w = weights_find(c, n->name);
        if (!w) FAIL(c->cx, STATUS_BUG, "there is no weight '%s'", n->name);
        TRY(states_borrow(out, g, n, w->t.data));
    }
    return model_fill_tables(&c->config, out, g);
}
