/* The reference interpreter. */
#include "kit/interpret.h"
#include <string.h>

static status make_tensor(interpretation *run, const type *t, const int64_t *symbols, tensor *out) {
    *out = (tensor){.format = t->format, .rank = t->rank};
    int64_t count = 1;
    for (int32_t d = 0; d < t->rank; d++) {
        out->dim[d] = t->dim[d].sym ? extent_at(t->dim[d], symbols) : t->dim[d].add;
        count *= out->dim[d];
    }
    bool ids = t->format->kind == NUM_INDEX;
    if (!ids) out->format = num_find("f64");
    size_t unit = ids ? (size_t)t->format->block_bytes : sizeof(double);
    out->data = arena_alloc_lines(&run->mem, (size_t)count * unit + 1);
    if (!out->data) return STATUS_NO_MEMORY;
    memset(out->data, 0x7f, (size_t)count * unit); /* what an op forgets to write shows */
    return STATUS_OK;
}

status interpret_begin(const graph *g, const int64_t *symbols, interpretation *run) {
    *run = (interpretation){.g = g, .mem = arena_make(g->cx), .step_seed = 17};
    run->of = ARENA_NEW(&run->mem, tensor *, g->n_nodes + 1);
    status st = run->of ? STATUS_OK : STATUS_NO_MEMORY;
    for (int32_t i = 0; i < g->n_nodes && st == STATUS_OK; i++) {
        const node *n = g->nodes[i];
        run->of[i] = ARENA_NEW(&run->mem, tensor, n->n_out);
        if (!run->of[i]) st = STATUS_NO_MEMORY;
        for (int32_t o = 0; o < n->n_out && st == STATUS_OK; o++)
            st = make_tensor(run, &n->out[o], symbols, &run->of[i][o]);
    }
    if (st != STATUS_OK) interpret_end(run);
    return st;
}

void interpret_end(interpretation *run) {
    arena_free(&run->mem);
}

int64_t interpret_count(const interpretation *run, value v) {
    const tensor *t = interpret_at(run, v);
    int64_t count = 1;
    for (int32_t d = 0; d < t->rank; d++) count *= t->dim[d];
    return count;
}

void interpret_bind(const interpretation *run, const sample *s) {
    for (int32_t i = 0; i < s->n_inputs; i++) {
        const sample_input *in = &s->inputs[i];
        const tensor *t = interpret_at(run, in->v);
        if (in->numbers) memcpy(t->data, in->numbers, (size_t)in->count * sizeof(double));
        if (in->ids) t->format->pack_index(in->ids, in->count, t->data);
    }
}

void interpret_run(const interpretation *run, int32_t first, int32_t last) {
    for (int32_t i = first; i < last; i++) {
        const node *n = run->g->nodes[i];
        if (op_is_leaf(n->op)) continue;
        call c = {.node = n, .params = n->params, .n_in = n->n_in, .n_out = n->n_out};
        c.step_seed = run->step_seed;
        for (int32_t k = 0; k < n->n_in; k++) {
            if (value_absent(n->in[k])) continue;
            c.in[k] = *interpret_at(run, n->in[k]);
            if (n->op->n_in >= 0 && n->op->shape_only >> k & 1) c.in[k].data = NULL;
        }
        for (int32_t o = 0; o < n->n_out; o++) c.out[o] = run->of[i][o];
        n->op->reference(&c);
    }
}
