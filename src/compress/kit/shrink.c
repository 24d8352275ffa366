#include "compress/kit/shrink.h"
#include <stdlib.h>
#include <string.h>

static model_config config_of(const compress *c, const shrink *s) {
    model_config to = c->config;
    to.heads = c->config.heads / c->config.kv_heads * s->heads;
    to.kv_heads = s->heads;
    to.intermediate = s->neurons;
    return to;
}

/* ---- which axis is what ---- */

typedef struct axes {
    shrink_axis kind[MAX_RANK];
} axes;

static status set_kind(compress *c, const weight *w, int32_t d, bool of_heads, axes *out) {
    const model_config *m = &c->config;
    int64_t was = w->t.dim[d];
    if (out->kind[d] != AXIS_WHOLE)
        FAIL(c->cx, STATUS_UNSUPPORTED, "'%s' mixes heads and neurons along one axis", w->name);
    if (!of_heads && was == m->intermediate)
        out->kind[d] = AXIS_NEURONS;
    else if (of_heads && (was == m->heads * m->head_size || was == m->heads))
        out->kind[d] = AXIS_QUERIES;
    else if (of_heads && was == m->kv_heads * m->head_size)
        out->kind[d] = AXIS_KEYS;
    else
        FAIL(c->cx, STATUS_UNSUPPORTED,
             "'%s' of a %s holds several kinds of rows in one matrix, which is not cut", w->name,
             m->model_type);
    return STATUS_OK;
}

/* Marks the axes that are smaller in a model of this configuration. */
static status probe(compress *c, const model_config *config, bool of_heads, axes *all) {
    graph *g;
    status st = weights_build(c, config, NULL, NULL, &g);
    for (int64_t i = 0; i < c->n_weights && st == STATUS_OK; i++) {
        const weight *w = &c->weights[i];
        value v = graph_find(g, w->name);
        if (value_absent(v)) continue;
        const type *t = value_type(g, v);
        for (int32_t d = 0; d < t->rank && st == STATUS_OK; d++)
            if (t->dim[d].add != w->t.dim[d]) st = set_kind(c, w, d, of_heads, &all[i]);
    }
    graph_free(g);
    return st;
}

static status find_axes(compress *c, const shrink *s, axes **out) {
    *out = ARENA_NEW(c->memory, axes, c->n_weights + 1);
    if (!*out) return STATUS_NO_MEMORY;
    model_config fewer = config_of(c, s), heads = c->config, neurons = c->config;
    heads.heads = fewer.heads;
    heads.kv_heads = fewer.kv_heads;
    neurons.intermediate = fewer.intermediate;
    if (s->heads < c->config.kv_heads) TRY(probe(c, &heads, true, *out));
    return s->neurons < c->config.intermediate ? probe(c, &neurons, false, *out) : STATUS_OK;
}

status shrink_inputs(compress *c, const shrink *s, shrink_axis *out) {
    axes *all;
    TRY(find_axes(c, s, &all));
    for (int64_t i = 0; i < c->n_products; i++) {
        const product *p = &c->products[i];
        out[i] = all[p->w - c->weights].kind[1];
    }
    return STATUS_OK;
}

status shrink_check(compress *c, const shrink *s) {
    axes *unused;
    if (c->experts && s->neurons < c->config.intermediate)
        FAIL(c->cx, STATUS_UNSUPPORTED, "neurons of experts are not cut");
    return find_axes(c, s, &unused);
}

/* ---- cutting ---- */

/* Where the number of the layer stands in a name; NULL: the weight is of no layer. */
static const char *number_in(const char *name) {
    for (const char *p = strchr(name, '.'); p; p = strchr(p + 1, '.'))
        if (p[1] >= '0' && p[1] <= '9') return p + 1;
    return NULL;
}

static const char *renumbered(compress *c, const char *name, int64_t layer) {
    const char *at = number_in(name), *end = at;
    while (*end >= '0' && *end <= '9') end++;
    return arena_printf(c->memory, "%.*s%lld%s", (int)(at - name), name, (long long)layer, end);
}

/* Indices along an axis that stay, [*count]; NULL: all. */
static int64_t *kept_of(arena *mem, const compress *c, const shrink *s, const weight *w, int32_t d,
                        shrink_axis kind, int64_t layer, int64_t *count) {
    const model_config *m = &c->config;
    int64_t group = m->heads / m->kv_heads, n = 0;
    bool neurons = kind == AXIS_NEURONS;
    int64_t heads = kind == AXIS_QUERIES ? m->heads : m->kv_heads;
    int64_t each = neurons ? 1 : w->t.dim[d] / heads * (kind == AXIS_QUERIES ? group : 1);
    int64_t stay = neurons ? s->neurons : s->heads;
    const int64_t *list = neurons ? s->neuron[layer] : s->head[layer];
    int64_t *out = ARENA_NEW(mem, int64_t, stay * each + 1);
    for (int64_t i = 0; out && i < stay; i++)
        for (int64_t j = 0; j < each; j++) out[n++] = list[i] * each + j;
    *count = stay * each;
    return out;
}

/* A weight of rank 1 or 2 with what stays of it. */
static status cut(compress *c, const shrink *s, weight *w, const axes *a, int64_t layer) {
    arena mem = arena_make(c->cx);
    int64_t *kept[2] = {NULL, NULL}, shape[2] = {1, 1}, was[2] = {1, 1};
    int32_t skip = 2 - w->t.rank;
    status st = STATUS_OK;
    for (int32_t d = 0; d < w->t.rank && st == STATUS_OK; d++) {
        was[d + skip] = shape[d + skip] = w->t.dim[d];
        if (a->kind[d] == AXIS_WHOLE) continue;
        kept[d + skip] = kept_of(&mem, c, s, w, d, a->kind[d], layer, &shape[d + skip]);
        if (!kept[d + skip]) st = STATUS_NO_MEMORY;
    }
    if (c->foresees) {
        arena_free(&mem);
        return st == STATUS_OK ? weights_reshape(c, w, shape + skip, NULL) : st;
    }
    float *all = ARENA_NEW(&mem, float, was[0] * was[1] + 1);
    float *some = ARENA_NEW(&mem, float, shape[0] * shape[1] + 1);
    if (st == STATUS_OK && (!all || !some)) st = STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        weights_values(w, all);
        for (int64_t r = 0; r < shape[0]; r++)
            for (int64_t j = 0; j < shape[1]; j++)
                some[r * shape[1] + j] =
                    all[(kept[0] ? kept[0][r] : r) * was[1] + (kept[1] ? kept[1][j] : j)];
        st = weights_reshape(c, w, shape + skip, some);
    }
    arena_free(&mem);
    return st;
}

static int64_t place_of(const shrink *s, int64_t layer) {
    for (int64_t i = 0; i < s->layers; i++)
        if (s->layer[i] == layer) return i;
    return -1;
}

/* Cuts every weight that stays, and names it by the layer's new place; NULL: it goes. */
static status cut_each(compress *c, const shrink *s, const axes *all, const char **names) {
    for (int64_t i = 0; i < c->n_weights; i++) {
        weight *w = &c->weights[i];
        const char *number = number_in(w->name);
        int64_t layer = number ? strtoll(number, NULL, 10) : -1;
        int64_t place = number ? place_of(s, layer) : -1;
        bool whole = true;
        if (number && place < 0) continue;
        names[i] = number ? renumbered(c, w->name, place) : w->name;
        if (!names[i]) return STATUS_NO_MEMORY;
        for (int32_t d = 0; d < w->t.rank; d++) whole &= all[i].kind[d] == AXIS_WHOLE;
        if (!whole) TRY(cut(c, s, w, &all[i], layer));
    }
    return STATUS_OK;
}

/* Nothing can fail here, so that the list is whole whatever happens. */
static void keep_named(compress *c, const char *const *names) {
    int64_t n = 0;
    for (int64_t i = 0; i < c->n_weights; i++) {
        weight w = c->weights[i];
        if (!names[i] && w.owned) context_release(c->cx, w.t.data);
        if (!names[i]) continue;
        w.name = names[i];
        c->weights[n++] = w;
    }
    c->n_weights = n;
}

status shrink_apply(compress *c, const shrink *s) {
    axes *all;
    const char **names = ARENA_NEW(c->memory, const char *, c->n_weights + 1);
    if (!names) return STATUS_NO_MEMORY;
    TRY(find_axes(c, s, &all));
    model_config to = config_of(c, s);
    TRY(cut_each(c, s, all, names));
    keep_named(c, names);
    for (int64_t i = 0; i < s->layers; i++) {
        to.slides[i] = c->config.slides[s->layer[i]];
        to.still[i] = c->config.still[s->layer[i]];
    }
    if (s->layers < c->config.layers) {
        to.slides_listed |= c->config.window > 0;
        to.still_listed |= c->config.rope_every > 0;
    }
    to.layers = s->layers;
    c->config = to;
    return STATUS_OK;
}
