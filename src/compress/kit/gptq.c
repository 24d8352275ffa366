/* Strips of rows go along the columns together, so that a row of U is read once for all of them. */
#include "compress/kit/gptq.h"
#include "base/log.h"
#include "compress/kit/foresee.h"

enum { STRIP = 8 };

typedef struct walking {
    const float *values;
    const hessian *h;
    const gptq_how *how;
    uint8_t *codes;
    grid_scale *scales;
    int64_t rows;
    double *space; /* [threads, STRIP, k] and as many floats */
} walking;

/* Scales of a row: all of them before it is walked, or group number `group` as its values are now. */
static void fit_before(const walking *w, const float *x, grid_scale *scales) {
    const grid *g = &w->how->grid;
    int64_t k = w->h->k, step = g->group ? g->group : k;
    for (int64_t i = 0; i * step < k; i++)
        scales[i] = grid_fit(g, x + i * step, MIN_OF(step, k - i * step), NULL);
}

static grid_scale fit_now(const walking *w, const double *x, int64_t from, float *space) {
    const grid *g = &w->how->grid;
    int64_t step = g->group ? g->group : w->h->k, n = MIN_OF(step, w->h->k - from);
    for (int64_t i = 0; i < n; i++) space[i] = (float)x[from + i];
    return grid_fit(g, space, n, NULL);
}

static void walk_strip(const walking *w, int64_t from, int64_t n, double *x, float *space) {
    const hessian *h = w->h;
    const grid *g = &w->how->grid;
    int64_t k = h->k, groups = grid_groups(g, k), step = g->group ? g->group : k;
    for (int64_t r = 0; r < n; r++) {
        const float *values = w->values + (from + r) * k;
        for (int64_t i = 0; i < k; i++) {
            int32_t column = h->order[i];
            x[r * k + i] = h->diag[column] > 0 ? (double)values[column] : 0;
        }
        if (w->how->act_order) fit_before(w, values, w->scales + (from + r) * groups);
    }
    for (int64_t i = 0; i < k; i++) {
        int64_t column = h->order[i], group = column / step;
        for (int64_t r = 0; r < n; r++) {
            double *row = x + r * k;
            grid_scale *s = &w->scales[(from + r) * groups + group];
            if (!w->how->act_order && i % step == 0) *s = fit_now(w, row, i, space);
            bool stays = w->how->keep_zeros && w->values[(from + r) * k + column] == 0;
            int32_t code = stays ? s->zero : grid_code(g, *s, (float)row[i]);
            w->codes[(from + r) * k + column] = (uint8_t)code;
            double err = (row[i] - (double)grid_value(*s, code)) / *hessian_row(h, i);
            hessian_spread(h, i, err, row);
        }
    }
}

static void walk(void *arg, int64_t from, int64_t to, int thread) {
    const walking *w = arg;
    double *x = w->space + (int64_t)thread * (STRIP + 1) * w->h->k;
    for (int64_t s = from; s < to; s++)
        walk_strip(w, s * STRIP, MIN_OF(STRIP, w->rows - s * STRIP), x,
                   (float *)(x + STRIP * w->h->k));
}

static double flops_of(int64_t rows, int64_t k) {
    return (double)rows * (double)k * (double)k;
}

status gptq_rows(compress *c, const float *values, int64_t rows, const hessian *h,
                 const gptq_how *how, uint8_t *codes, grid_scale *scales) {
    int64_t each = (STRIP + 1) * h->k, threads = pool_threads(c->workers);
    walking w = {values,
                 h,
                 how,
                 codes,
                 scales,
                 rows,
                 context_alloc(c->cx, (size_t)(threads * each) * sizeof(double))};
    if (!w.space) return STATUS_NO_MEMORY;
    pool_run(c->workers, walk, &w, div_up(rows, STRIP));
    context_release(c->cx, w.space);
    c->flops += flops_of(rows, h->k);
    return STATUS_OK;
}

static status walk_sample(compress *c, const product *p, const void *user) {
    hessian h;
    TRY(hessian_stand_in(c, p->k, &h));
    status st = gptq_product(c, p, &h, user, NULL);
    hessian_free(c, &h);
    return st;
}

/* A dry run's. */
static status foresee_gptq(compress *c, const product *p, const gptq_how *how) {
    const num_format *f;
    TRY(grid_format(c->cx, &how->grid, p->k, p->w->name, &f));
    p->w->held = true;
    foresee_memory(c, p->n * (p->k * 5 + num_row_bytes(f, p->k)) +
                          p->n * grid_groups(&how->grid, p->k) * 8 +
                          (int64_t)pool_threads(c->workers) * (STRIP + 1) * p->k * 8);
    TRY(foresee_solve(c, p, flops_of(p->n, p->k), walk_sample, how));
    weights_replace(c, p->w, f, NULL);
    return STATUS_OK;
}

/* Squared error of the outputs: the sum over rows of e G e^T, e being what codes stand for less the values, which has
 * its place in `e`. */
static double output_error(const product *p, const grid *g, const float *values,
                           const uint8_t *codes, const grid_scale *scales, const float *gram,
                           float *e) {
    int64_t k = p->k, step = g->group ? g->group : k, groups = grid_groups(g, k);
    double sum = 0;
    for (int64_t r = 0; r < p->n; r++) {
        for (int64_t j = 0; j < k; j++)
            e[j] = grid_value(scales[r * groups + j / step], codes[r * k + j]) - values[r * k + j];
        sum += gram_quadratic(gram, e, k);
    }
    return sum;
}

/* Overwrites codes and scales by those of plain rounding. */
static status tell_error(compress *c, const product *p, const grid *g, const float *values,
                         uint8_t *codes, grid_scale *scales, const float *gram) {
    float *space = context_alloc(c->cx, (size_t)p->k * sizeof *space);
    if (!space) return STATUS_NO_MEMORY;
    double ours = output_error(p, g, values, codes, scales, gram, space);
    for (int64_t r = 0; r < p->n; r++)
        grid_round_row(g, values + r * p->k, p->k, NULL, codes + r * p->k,
                       scales + r * grid_groups(g, p->k));
    double plain = output_error(p, g, values, codes, scales, gram, space);
    log_debug("%s: %.3f of rounding's error", p->w->name, plain > 0 ? ours / plain : 1);
    context_release(c->cx, space);
    return STATUS_OK;
}

status gptq_product(compress *c, const product *p, const hessian *h, const gptq_how *how,
                    const float *gram) {
    if (c->foresees) return foresee_gptq(c, p, how);
    int64_t cells = p->n * p->k;
    float *values = context_alloc(c->cx, (size_t)cells * sizeof *values);
    uint8_t *codes = context_alloc(c->cx, (size_t)cells);
    grid_scale *scales =
        context_alloc(c->cx, (size_t)(p->n * grid_groups(&how->grid, p->k)) * sizeof *scales);
    status st = values && codes && scales ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) weights_values(p->w, values);
    if (st == STATUS_OK) st = gptq_rows(c, values, p->n, h, how, codes, scales);
    if (st == STATUS_OK) st = grid_store(c, p, &how->grid, codes, scales);
    if (st == STATUS_OK && gram) st = tell_error(c, p, &how->grid, values, codes, scales, gram);
    context_release(c->cx, scales);
    context_release(c->cx, codes);
    context_release(c->cx, values);
    return st;
}
