/* A sample of rows, so that trying a scale costs little beside rounding (the search is told in compress/awq.c). */
#include "compress/kit/awq.h"
#include "compress/kit/foresee.h"
#include "compress/kit/gram.h"
#include <math.h>
#include <string.h>

enum { MOST_ROWS = 64, STEPS = 20 };

/* Some rows of all matrices that read an input. */
typedef struct sampled {
    const grid *g;
    int64_t k, rows;
    float *values; /* [rows, k] */
    const float *gram, *s;
    double *errors; /* by row */
    float *space;   /* [threads, 2 k] and codes */
    uint8_t *codes;
    grid_scale *scales;
} sampled;

static void try_rows(void *arg, int64_t from, int64_t to, int thread) {
    sampled *w = arg;
    int64_t k = w->k, step = w->g->group ? w->g->group : k, groups = grid_groups(w->g, k);
    float *x = w->space + 2 * k * thread, *d = x + k;
    uint8_t *codes = w->codes + k * thread;
    grid_scale *scales = w->scales + groups * thread;
    for (int64_t r = from; r < to; r++) {
        const float *values = w->values + r * k;
        for (int64_t j = 0; j < k; j++) x[j] = values[j] * w->s[j];
        grid_round_row(w->g, x, k, NULL, codes, scales);
        for (int64_t j = 0; j < k; j++)
            d[j] = grid_value(scales[j / step], codes[j]) / w->s[j] - values[j];
        w->errors[r] = gram_quadratic(w->gram, d, k);
    }
}

static int64_t rows_of(const product *p) {
    return MIN_OF(p->n, MOST_ROWS);
}

/* Rows spread evenly over each matrix. */
static status take_rows(compress *c, int32_t input, sampled *w) {
    int64_t at = 0;
    for (int64_t i = 0; i < c->n_products; i++) {
        const product *p = &c->products[i];
        if (p->input != input) continue;
        for (int64_t r = 0; r < rows_of(p); r++, at++) {
            int64_t row = r * p->n / rows_of(p);
            weights_rows(p->w, row, row + 1, w->values + at * w->k);
        }
    }
    return STATUS_OK;
}

/* Mean magnitudes of the sampled weights in each column. */
static void mean_weights(const sampled *w, float *out) {
    for (int64_t j = 0; j < w->k; j++) out[j] = 0;
    for (int64_t i = 0; i < w->rows * w->k; i++)
        out[i % w->k] += fabsf(w->values[i]) / (float)w->rows;
}

/* `weights` NULL: by activations alone. */
static void scales_at(const input_stats *x, const float *weights, int64_t k, double alpha,
                      float *s) {
    double least = INFINITY, most = 0;
    for (int64_t j = 0; j < k; j++) {
        double v = pow(x->sum_abs[j] / (double)x->rows, alpha);
        if (weights) v /= pow((double)weights[j], 1 - alpha) + 1e-4;
        v = fmax(v, 1e-4);
        least = fmin(least, v);
        most = fmax(most, v);
        s[j] = (float)v;
    }
    float even = (float)sqrt(least * most);
    for (int64_t j = 0; j < k; j++) s[j] /= even;
}

static double flops_of(const sampled *w) {
    return 2 * (double)w->rows * (double)w->k * (double)w->k;
}

static double try_scales(compress *c, sampled *w) {
    double e = 0;
    pool_run(c->workers, try_rows, w, w->rows);
    for (int64_t r = 0; r < w->rows; r++) e += w->errors[r];
    c->flops += flops_of(w);
    return e;
}

/* A dry run's search: tried once, on sums of inputs that have nothing to do with each other. */
static status foresee_search(compress *c, arena *mem, sampled *w, float *s) {
    int64_t cells = gram_cells(w->k);
    float *gram = ARENA_NEW(mem, float, cells);
    if (!gram) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < w->k; i++) gram[gram_row(w->k, i)] = s[i] = 1;
    for (int64_t i = 0; i < w->rows * w->k; i++) w->values[i] = (float)(i % 63 - 31);
    w->gram = gram;
    w->s = s;
    foresee_pause pause = foresee_stop(c);
    (void)try_scales(c, w);
    double seconds = foresee_go_on(c, &pause);
    foresee_memory(c, (int64_t)mem->used_bytes - cells * 4);
    foresee_add(c, (2 * STEPS + 1) * flops_of(w), (2 * STEPS + 1) * seconds);
    return STATUS_OK;
}

static bool search(compress *c, sampled *w, const input_stats *x, const float *weights, float *s) {
    double least = INFINITY, best = 0;
    const float *by = NULL;
    w->s = s;
    for (int i = 0; i <= 2 * STEPS; i++) { /* the first is plain rounding */
        const float *with = i > STEPS ? weights : NULL;
        double alpha = (double)(i > STEPS ? i - STEPS : i) / STEPS;
        scales_at(x, with, w->k, alpha, s);
        double e = try_scales(c, w);
        if (e >= least) continue;
        least = e;
        best = alpha;
        by = with;
    }
    scales_at(x, by, w->k, best, s);
    return best > 0;
}

status awq_search(compress *c, int32_t input, const input_stats *x, const grid *g, float *s,
                  bool *helps) {
    arena mem = arena_make(c->cx);
    int threads = pool_threads(c->workers);
    sampled w = {.g = g, .k = c->inputs[input].k, .gram = x->gram};
    for (int64_t i = 0; i < c->n_products; i++)
        if (c->products[i].input == input) w.rows += rows_of(&c->products[i]);
    w.values = ARENA_NEW(&mem, float, w.rows *w.k);
    w.errors = ARENA_NEW(&mem, double, w.rows);
    w.space = ARENA_NEW(&mem, float, 2 * w.k * threads);
    w.codes = ARENA_NEW(&mem, uint8_t, w.k * threads);
    w.scales = ARENA_NEW(&mem, grid_scale, grid_groups(g, w.k) * threads);
    float *weights = ARENA_NEW(&mem, float, w.k);
    bool all = weights && w.values && w.errors && w.space && w.codes && w.scales;
    status st = !all          ? STATUS_NO_MEMORY
                : c->foresees ? foresee_search(c, &mem, &w, s)
                              : take_rows(c, input, &w);
    *helps = true;
    if (st == STATUS_OK && !c->foresees) {
        mean_weights(&w, weights);
        *helps = search(c, &w, x, weights, s);
    }
    arena_free(&mem);
    return st;
}
