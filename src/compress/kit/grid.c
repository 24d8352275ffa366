#include "compress/kit/grid.h"
#include "compress/kit/foresee.h"
#include "num/kit/half.h"
#include "num/kit/ints.h"
#include "num/kit/quant.h"

static int64_t stored_group(const grid *g) {
    for (int64_t step = 128; step >= 32; step /= 2)
        if (g->group && g->group % step == 0) return step;
    return 0;
}

/* The largest group of codes that rows of k values fall into; 0: only the row. */
static int64_t fitting_group(int64_t k) {
    for (int64_t group = 128; group >= 32; group /= 2)
        if (k % group == 0) return group;
    return 0;
}

status grid_format(context *cx, const grid *g, int64_t k, const char *name,
                   const num_format **out) {
    if (g->group && k % g->group)
        FAIL(cx, STATUS_UNSUPPORTED,
             "rows of '%s' have %lld values, which are no groups of %lld: give group=%lld", name,
             (long long)k, (long long)g->group, (long long)fitting_group(k));
    ints_layout as = {.bits = g->bits, .affine = g->affine, .group = stored_group(g)};
    as.affine |= !as.group && as.bits == 8; /* int8_row is another family's */
    *out = g->group && !as.group ? NULL : ints_format(as);
    if (!*out)
        FAIL(cx, STATUS_UNSUPPORTED,
             "there are no codes of %d bits in groups of %lld: groups are "
             "multiples of 32, or 0 for a row",
             g->bits, (long long)g->group);
    return STATUS_OK;
}

status grid_check(compress *c, const grid *g) {
    if (c->experts)
        FAIL(c->cx, STATUS_UNSUPPORTED,
             "the experts of a %s are no plain products, which is all that it rounds",
             c->config.model_type);
    if (!c->n_products) FAIL(c->cx, STATUS_UNSUPPORTED, "the model's layers have no products");
    for (int64_t i = 0; i < c->n_products; i++) {
        const product *p = &c->products[i];
        TRY(grid_format(c->cx, g, p->k, p->w->name, &c->coded));
    }
    return STATUS_OK;
}

static grid_scale plain(const grid *g, float lo, float hi, float shrink) {
    int32_t top = (1 << g->bits) - 1;
    grid_scale s = {.zero = 1 << (g->bits - 1)};
    s.scale =
        g->affine ? (hi - lo) * shrink / (float)top : MAX_OF(hi, -lo) * shrink / ((float)top / 2);
    s.scale = half_from_f16(half_to_f16(s.scale));
    if (g->affine) s.zero = s.scale > 0 ? quant_nearest(-lo * shrink / s.scale, 0, top) : 0;
    return s;
}

int32_t grid_code(const grid *g, grid_scale s, float x) {
    if (!(s.scale > 0)) return s.zero;
    return quant_nearest(x / s.scale, -s.zero, (1 << g->bits) - 1 - s.zero) + s.zero;
}

static double error_of(const grid *g, grid_scale s, const float *x, int64_t n,
                       const float *importance) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double e = (double)(grid_value(s, grid_code(g, s, x[i])) - x[i]);
        sum += importance ? e * e * (double)importance[i] : e * e;
    }
    return sum;
}

grid_scale grid_fit(const grid *g, const float *x, int64_t n, const float *importance) {
    enum { CANDIDATES = 40 };
    float lo = 0, hi = 0;
    for (int64_t i = 0; i < n; i++) {
        lo = MIN_OF(lo, x[i]);
        hi = MAX_OF(hi, x[i]);
    }
    grid_scale best = plain(g, lo, hi, 1);
    if (!g->search) return best;
    double least = error_of(g, best, x, n, importance);
    for (int i = 1; i < CANDIDATES; i++) {
        grid_scale s = plain(g, lo, hi, 1 - 0.5f * (float)i / CANDIDATES);
        double e = error_of(g, s, x, n, importance);
        if (e >= least) continue;
        least = e;
        best = s;
    }
    return best;
}

void grid_round_row(const grid *g, const float *x, int64_t k, const float *importance,
                    uint8_t *codes, grid_scale *scales) {
    int64_t step = g->group ? g->group : k;
    for (int64_t from = 0; from < k; from += step, scales++) {
        int64_t n = MIN_OF(step, k - from);
        *scales = grid_fit(g, x + from, n, importance ? importance + from : NULL);
        for (int64_t i = from; i < from + n; i++) codes[i] = (uint8_t)grid_code(g, *scales, x[i]);
    }
}

status grid_store(compress *c, const product *p, const grid *g, const uint8_t *codes,
                  const grid_scale *scales) {
    const num_format *f;
    TRY(grid_format(c->cx, g, p->k, p->w->name, &f));
    int64_t step = stored_group(g) ? stored_group(g) : p->k, stored = div_up(p->k, step);
    int64_t groups = grid_groups(g, p->k), row_bytes = num_row_bytes(f, p->k);
    char *data = context_alloc(c->cx, (size_t)(p->n * row_bytes));
    float *scale = context_alloc(c->cx, (size_t)stored * (sizeof *scale + 1));
    if (!data || !scale) {
        context_release(c->cx, data);
        context_release(c->cx, scale);
        return STATUS_NO_MEMORY;
    }
    uint8_t *zero = (uint8_t *)(scale + stored);
    for (int64_t r = 0; r < p->n; r++) {
        for (int64_t i = 0; i < stored; i++) {
            grid_scale s = scales[r * groups + (g->group ? i * step / g->group : 0)];
            scale[i] = s.scale;
            zero[i] = (uint8_t)s.zero;
        }
        ints_store(f, p->k, codes + r * p->k, scale, zero, data + r * row_bytes);
    }
    context_release(c->cx, scale);
    weights_replace(c, p->w, f, data);
    return STATUS_OK;
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

typedef struct grid_how {
    const grid *g;
    bool tensor;
} grid_how;

static status round_sample(compress *c, const product *p, const void *user) {
    const grid_how *how = user;
    return grid_round_product(c, p, how->g, how->tensor);
}

/* A dry run's. */
static status foresee_grid(compress *c, const product *p, const grid *g, bool tensor) {
    const num_format *f;
    int64_t groups = p->n * grid_groups(g, p->k);
    TRY(grid_format(c->cx, g, p->k, p->w->name, &f));
    p->w->held = true;
    foresee_memory(c, p->n * (p->k * 5 + num_row_bytes(f, p->k)) + groups * 8);
    TRY(foresee_solve(c, p, 0, round_sample, &(grid_how){g, tensor}));
    weights_replace(c, p->w, f, NULL);
    return STATUS_OK;
}

status grid_round_product(compress *c, const product *p, const grid *g, bool tensor) {
    if (c->foresees) return foresee_grid(c, p, g, tensor);
    int64_t cells = p->n * p->k, groups = p->n * grid_groups(g, p->k);
    float *values = context_alloc(c->cx, (size_t)cells * sizeof *values);
    uint8_t *codes = context_alloc(c->cx, (size_t)cells);
    grid_scale *scales = context_alloc(c->cx, (size_t)groups * sizeof *scales);
    status st = values && codes && scales ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        weights_values(p->w, values);
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
