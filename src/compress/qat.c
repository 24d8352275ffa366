/* Training aware of quantisation: the gradient is taken at the weights as they will be rounded and moves the weights
 * that are not (the straight-through estimator: Bengio et al. 2013, "Estimating or propagating gradients through
 * stochastic neurons"; Jacob et al. 2018),
 *   w <- w - lr AdamW(d loss / d w at round(w))
 * and at the end they are rounded on the same grid, so that what runs is what was trained for. */
#include "compress/kit/foresee.h"
#include "compress/kit/grid.h"
#include "compress/kit/learn.h"
#include <string.h>

typedef struct qat_options {
    GRID_MEMBERS;
    LEARN_MEMBERS;
} qat_options;

static const option_def options[] = {
    GRID_OPTIONS(qat_options, "128"), LEARN_OPTIONS(qat_options, "1e-4"), {0}};

static status check(compress *c, const void *options_) {
    const qat_options *o = options_;
    grid g = GRID_OF(o);
    learn_options l = LEARN_OF(o);
    TRY(grid_check(c, &g));
    return learn_check(c, &l);
}

typedef struct qat {
    compress *c;
    grid g;
    float **masters; /* by product */
    uint8_t *codes;  /* of a row, for each thread */
    grid_scale *scales;
    int64_t longest;
    const product *p; /* that is being rounded */
    float *values;
} qat;

static void round_rows(void *user, int64_t from, int64_t to, int thread) {
    const qat *q = user;
    const product *p = q->p;
    uint8_t *codes = q->codes + thread * q->longest;
    grid_scale *scales = q->scales + thread * q->longest;
    int64_t step = q->g.group ? q->g.group : p->k;
    for (int64_t r = from; r < to; r++) {
        float *x = q->values + r * p->k;
        grid_round_row(&q->g, x, p->k, NULL, codes, scales);
        for (int64_t i = 0; i < p->k; i++) x[i] = grid_value(scales[i / step], codes[i]);
    }
}

static void before(void *user, states *store) {
    qat *q = user;
    for (int64_t i = 0; i < q->c->n_products; i++) {
        q->p = &q->c->products[i];
        const state *w = states_find(store, q->p->w->name);
        q->values = w->t.data;
        memcpy(q->masters[i], w->t.data, (size_t)w->size_bytes);
        pool_run(q->c->workers, round_rows, q, q->p->n);
    }
}

static void between(void *user, states *store) {
    const qat *q = user;
    for (int64_t i = 0; i < q->c->n_products; i++) {
        const state *w = states_find(store, q->c->products[i].w->name);
        memcpy(w->t.data, q->masters[i], (size_t)w->size_bytes);
    }
}

static status make_room(qat *q, arena *mem) {
    const compress *c = q->c;
    int64_t threads = pool_threads(c->workers);
    q->masters = ARENA_NEW(mem, float *, c->n_products + 1);
    if (!q->masters) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < c->n_products; i++) {
        const product *p = &c->products[i];
        q->longest = MAX_OF(q->longest, p->k);
        if (!(q->masters[i] = ARENA_NEW(mem, float, p->n * p->k))) return STATUS_NO_MEMORY;
    }
    q->codes = ARENA_NEW(mem, uint8_t, threads * q->longest + 1);
    q->scales = ARENA_NEW(mem, grid_scale, threads * q->longest + 1);
    return q->codes && q->scales ? STATUS_OK : STATUS_NO_MEMORY;
}

static status apply(compress *c, const void *options_) {
    const qat_options *o = options_;
    learn_options l = LEARN_OF(o);
    arena mem = arena_make(c->cx);
    qat q = {.c = c, .g = GRID_OF(o)};
    int64_t masters = 0;
    for (int64_t i = 0; i < c->n_products; i++) masters += c->products[i].n * c->products[i].k * 4;
    if (c->foresees) foresee_hold(c, masters);
    status st = c->foresees ? STATUS_OK : make_room(&q, &mem);
    if (st == STATUS_OK)
        st = learn_run(c, &l, &(learn_way){.user = &q, .before = before, .between = between});
    arena_free(&mem);
    if (c->foresees) foresee_hold(c, -masters);
    for (int64_t i = 0; st == STATUS_OK && i < c->n_products; i++)
        st = grid_round_product(c, &c->products[i], &q.g, false);
    return st;
}

extern const compress_method compress_qat;
const compress_method compress_qat = {
    .name = "qat",
    .help = "learn on as rounded to a linear grid, then round",
    .options = options,
    .options_bytes = sizeof(qat_options),
    .calibrates = true,
    .forbids = COMPRESS_CODED,
    .ensures = COMPRESS_CODED,
    .check = check,
    .apply = apply,
};
