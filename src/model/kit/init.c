/* What follows from the configuration alone, and initial weights. */
#include "base/rng.h"
#include "model/kit/model.h"
#include "model/kit/rope_frequencies.h"
#include <math.h>
#include <string.h>

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

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

static bool writes_residual(const char *name) {
    static const char *const ends[] = {".o_proj.weight",        ".down_proj.weight",
                                       ".c_proj.weight",        ".w2.weight",
                                       ".dense_4h_to_h.weight", ".attention.dense.weight"};
    for (int64_t i = 0; i < COUNT_OF(ends); i++)
        if (ends_with(name, ends[i])) return true;
    return false;
}

static void draw(const model_config *c, const state *item, uint64_t seed, int64_t first,
                 int64_t count, float *out) {
    bool bias = ends_with(item->name, "bias");
    if (bias || (item->t.rank == 1 && ends_with(item->name, ".weight"))) {
        for (int64_t i = 0; i < count; i++) out[i] = bias || c->norm_plus_one ? 0 : 1;
        return;
    }
    double scale = c->initializer_range;
    if (writes_residual(item->name)) scale /= sqrt(2 * (double)c->layers);
    rng_fill_normal(seed, rng_stream(item->name), first, count, out);
    for (int64_t i = 0; i < count; i++) out[i] *= (float)scale;
}

status model_init(const model_config *config, states *s, const graph *g, uint64_t seed) {
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        if (n->op != &op_state || n->tag != TAG_PARAMETER || states_find(s, n->name)) continue;
        state *item;
        TRY(states_bind(s, g, n, &item));
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
