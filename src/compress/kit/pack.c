#include "compress/kit/pack.h"
#include "compress/kit/foresee.h"
#include "compress/kit/stream.h"
#include <math.h>

static status keep_squares(compress *c, const stream_layer *l, void *user) {
    importance *to = user;
    for (int64_t i = 0; i < c->n_inputs; i++) {
        const product_input *in = &c->inputs[i];
        if (in->layer != l->layer) continue;
        float *mean = ARENA_NEW(c->memory, float, in->k);
        if (!mean) return STATUS_NO_MEMORY;
        for (int64_t k = 0; k < in->k; k++)
            mean[k] = (float)(l->stats[i].sum_sq[k] / (double)l->stats[i].rows);
        to->of[i] = mean;
    }
    return STATUS_OK;
}

status importance_measure(compress *c, importance *out) {
    *out = (importance){ARENA_NEW(c->memory, const float *, c->n_inputs + 1)};
    if (!out->of) return STATUS_NO_MEMORY;
    return stream_run(c, &(stream_options){.only_looks = true, .visit = keep_squares, .user = out});
}

const float *importance_of(const compress *c, const importance *from, const weight *w) {
    for (int64_t i = 0; from->of && i < c->n_products; i++)
        if (c->products[i].w == w) return from->of[c->products[i].input];
    return NULL;
}

/* ---- rows ---- */

typedef struct packing {
    const weight *w;
    const num_format *f;
    const float *importance; /* of each column; NULL: none */
    char *out;
    float *space; /* [threads, 2, columns] */
} packing;

static void weigh(const float *x, const float *importance, int64_t n, float *out) {
    enum { STRETCH = 256 };
    for (int64_t from = 0; from < n; from += STRETCH) {
        int64_t to = MIN_OF(from + STRETCH, n);
        float sum = 0;
        for (int64_t i = from; i < to; i++) sum += x[i] * x[i];
        sum *= 2.0f / (float)(to - from);
        for (int64_t i = from; i < to; i++) out[i] = importance[i] * sqrtf(sum + x[i] * x[i]);
    }
}

static void pack_rows(void *arg, int64_t from, int64_t to, int thread) {
    const packing *p = arg;
    int64_t columns = p->w->t.dim[p->w->t.rank - 1], bytes = num_row_bytes(p->f, columns);
    float *x = p->space + 2 * columns * thread, *weights = x + columns;
    for (int64_t r = from; r < to; r++) {
        weights_rows(p->w, r, r + 1, x);
        if (p->importance && p->f->pack_weighted) {
            weigh(x, p->importance, columns, weights);
            p->f->pack_weighted(x, weights, columns, p->out + r * bytes);
        } else {
            p->f->pack(x, columns, p->out + r * bytes);
        }
    }
}

typedef struct pack_how {
    const num_format *f;
    const float *importance;
} pack_how;

static status pack_sample(compress *c, const product *p, const void *user) {
    const pack_how *how = user;
    return pack_weight(c, p->w, how->f, how->importance);
}

/* A dry run's; importance of what was not measured is 0 everywhere, and takes as long. */
static status foresee_pack(compress *c, const weight *w, const num_format *f,
                           const float *importance) {
    tensor_rows rows = tensor_rows_of(&w->t);
    product like = {.w = (weight *)(uintptr_t)w, .n = rows.count, .k = rows.elems};
    like.w->held = true;
    foresee_memory(c, rows.count * num_row_bytes(f, rows.elems) +
                          2 * rows.elems * (int64_t)pool_threads(c->workers) * 4);
    return foresee_solve(c, &like, 0, pack_sample, &(pack_how){f, importance});
}

status pack_data(compress *c, const weight *w, const num_format *f, const float *importance,
                 void **out) {
    *out = NULL;
    if (c->foresees) return foresee_pack(c, w, f, importance);
    tensor_rows rows = tensor_rows_of(&w->t);
    int64_t bytes = rows.count * num_row_bytes(f, rows.elems);
    packing p = {.w = w, .f = f, .importance = importance};
    *out = p.out = context_alloc(c->cx, (size_t)MAX_OF(bytes, 1));
    p.space = context_alloc(c->cx, (size_t)(2 * rows.elems * pool_threads(c->workers)) * 4);
    if (p.out && p.space) {
        pool_run(c->workers, pack_rows, &p, rows.count);
        context_release(c->cx, p.space);
        return STATUS_OK;
    }
    context_release(c->cx, p.out);
    context_release(c->cx, p.space);
    *out = NULL;
    return STATUS_NO_MEMORY;
}

status pack_weight(compress *c, weight *w, const num_format *f, const float *importance) {
    void *data;
    TRY(pack_data(c, w, f, importance, &data));
    weights_replace(c, w, f, data);
    return STATUS_OK;
}
