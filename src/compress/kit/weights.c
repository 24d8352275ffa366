/* The weights that a chain works on: listed from the parent, replaced one by one, bound to graphs (kit/compress.h). */
#include "compress/kit/compress.h"
#include "infer/weights.h"
#include <string.h>

status weights_graph(compress *c, graph **out) {
    *out = graph_new(c->cx);
    if (!*out) return STATUS_NO_MEMORY;
    model_build b = {.g = *out,
                     .config = &c->config,
                     .def = c->def,
                     .format = c->weights ? weights_format : model_stored_format,
                     .user = c->weights ? (void *)c : (void *)c->parent};
    value y = model_hidden(&b, model_build_inputs(*out, 1, 1));
    if (c->def->logits) y = model_logits(&b, y);
    graph_mark(*out, MARK_OUTPUT, "y", y, NO_VALUE);
    status st = graph_status(*out);
    if (st == STATUS_OK) return st;
    graph_free(*out);
    *out = NULL;
    return st;
}

static status list_weights(compress *c) {
    weight *list = ARENA_NEW(c->memory, weight, states_count(c->store) + 1);
    if (!list) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < states_count(c->store); i++) {
        const state *s = states_at(c->store, i);
        if (s->tag == TAG_PARAMETER) list[c->n_weights++] = (weight){.name = s->name, .t = s->t};
    }
    c->weights = list;
    return STATUS_OK;
}

status weights_open(compress *c, const char *path) {
    graph *g;
    TRY(model_open(c->cx, path, &c->parent));
    c->config = c->parent->config;
    c->def = c->parent->def;
    c->store = states_new(c->cx);
    if (!c->store) return STATUS_NO_MEMORY;
    TRY(weights_graph(c, &g));
    status st = model_load(c->parent, c->store, g);
    graph_free(g);
    return st == STATUS_OK ? list_weights(c) : st;
}

void weights_close(compress *c) {
    for (int64_t i = 0; i < c->n_weights; i++)
        if (c->weights[i].owned) context_release(c->cx, c->weights[i].t.data);
    c->n_weights = 0;
    states_free(c->store);
    model_close(c->parent);
    c->store = NULL;
    c->parent = NULL;
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
    if (w->owned)
        context_release(c->cx, w->t.data);
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
    char *data = context_alloc(c->cx, (size_t)MAX_OF(tensor_bytes(&t), 1));
    if (!data) return STATUS_NO_MEMORY;
    for (int64_t r = 0; r < rows.count; r++)
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
