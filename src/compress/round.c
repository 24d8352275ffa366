/* Linear rounding of weights, without looking at activations: each value goes to the nearest code of its group's grid
 * (kit/grid.h). What every other way of choosing codes is measured against. `tensor` shares one scale over a matrix,
 * as the simplest integer kernels need it. */
#include "compress/kit/grid.h"

typedef struct round_options {
    GRID_MEMBERS;
    bool tensor;
} round_options;

static const option_def options[] = {
    GRID_OPTIONS(round_options, "128"),
    OPTION(round_options, tensor, OPTION_BOOL, .help = "one scale for a whole matrix"),
    {0}};

static grid grid_of(const round_options *o) {
    grid g = GRID_OF(o);
    if (o->tensor) g.group = 0;
    return g;
}

static status check(compress *c, const void *options_) {
    const round_options *o = options_;
    grid g = grid_of(o);
    if (o->tensor && o->search)
        FAIL(c->cx, STATUS_BAD_ARGUMENT, "search fits scales of groups, not of a whole matrix");
    return grid_check(c, &g);
}

typedef struct rounding {
    const product *p;
    const grid *g;
    const float *values;
    const grid_scale *shared; /* NULL: each group its own */
    uint8_t *codes;
    grid_scale *scales;
} rounding;

static void round_rows(void *arg, int64_t from, int64_t to, int thread) {
    const rounding *w = arg;
    int64_t k = w->p->k, groups = grid_groups(w->g, k);
    (void)thread;
    for (int64_t r = from; r < to; r++) {
        const float *x = w->values + r * k;
        uint8_t *codes = w->codes + r * k;
        grid_scale *scales = w->scales + r * groups;
        if (!w->shared) {
            grid_round_row(w->g, x, k, NULL, codes, scales);
            continue;
        }
        scales[0] = *w->shared;
        for (int64_t i = 0; i < k; i++) codes[i] = (uint8_t)grid_code(w->g, scales[0], x[i]);
    }
}

static status round_product(compress *c, const product *p, const grid *g, bool tensor) {
    int64_t cells = p->n * p->k, groups = p->n * grid_groups(g, p->k);
    float *values = context_alloc(c->cx, (size_t)cells * sizeof *values);
    uint8_t *codes = context_alloc(c->cx, (size_t)cells);
    grid_scale *scales = context_alloc(c->cx, (size_t)groups * sizeof *scales);
    status st = values && codes && scales ? product_values(c, p, values) : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        grid_scale shared = tensor ? grid_fit(g, values, cells, NULL) : (grid_scale){0};
        rounding w = {p, g, values, tensor ? &shared : NULL, codes, scales};
        pool_run(c->workers, round_rows, &w, p->n);
        st = grid_store(c, p, g, codes, scales);
    }
    context_release(c->cx, scales);
    context_release(c->cx, codes);
    context_release(c->cx, values);
    return st;
}

static status apply(compress *c, const void *options_) {
    const round_options *o = options_;
    grid g = grid_of(o);
    for (int64_t i = 0; i < c->n_products; i++) {
        progress_show(&c->progress, c->products[i].layer, NULL);
        TRY(round_product(c, &c->products[i], &g, o->tensor));
    }
    return STATUS_OK;
}

extern const compress_method compress_round;
const compress_method compress_round = {
    .name = "round",
    .help = "to the nearest code of a linear grid",
    .options = options,
    .options_bytes = sizeof(round_options),
    .forbids = COMPRESS_CODED,
    .ensures = COMPRESS_CODED,
    .check = check,
    .apply = apply,
};
