/* A sample of rows, so that trying a scale costs little beside rounding (the search is told in compress/awq.c). */
#include "compress/kit/awq.h"
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

VECTOR_CLONES
static double quadratic(const float *gram, const float *d, int64_t k) {
    double sum = 0;
    for (int64_t i = 0; i < k; i++) {
        float lane[16] = {0}, row = 0;
        int64_t j = 0;
        for (; j + 16 <= k; j += 16)
            for (int l = 0; l < 16; l++) lane[l] += gram[i * k + j + l] * d[j + l];
        for (int l = 0; l < 16; l++) row += lane[l];
        for (; j < k; j++) row += gram[i * k + j] * d[j];
        sum += (double)row * (double)d[i];
    }
    return sum;
}

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
        w->errors[r] = quadratic(w->gram, d, k);
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

static void scales_at(const input_stats *x, int64_t k, double alpha, float *s) {
    double least = INFINITY, most = 0;
    for (int64_t j = 0; j < k; j++) {
        double v = fmax(pow(x->sum_abs[j] / (double)x->rows, alpha), 1e-4);
        least = fmin(least, v);
        most = fmax(most, v);
        s[j] = (float)v;
    }
    float even = (float)sqrt(least * most);
    for (int64_t j = 0; j < k; j++) s[j] /= even;
}

static status search(compress *c, sampled *w, const input_stats *x, float *s, double *alpha) {
    double least = INFINITY;
    w->s = s;
    *alpha = 0;
    for (int i = 0; i <= STEPS; i++) {
        double a = (double)i / STEPS, e = 0;
        scales_at(x, w->k, a, s);
        pool_run(c->workers, try_rows, w, w->rows);
        for (int64_t r = 0; r < w->rows; r++) e += w->errors[r];
        if (e >= least) continue;
        least = e;
        *alpha = a;
    }
    scales_at(x, w->k, *alpha, s);
    c->flops += 2.0 * STEPS * (double)w->rows * (double)w->k * (double)w->k;
    return STATUS_OK;
}

status awq_search(compress *c, int32_t input, const input_stats *x, const grid *g, float *s,
                  double *alpha) {
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
    bool all = w.values && w.errors && w.space && w.codes && w.scales;
    status st = all ? take_rows(c, input, &w) : STATUS_NO_MEMORY;
    if (st == STATUS_OK) st = search(c, &w, x, s, alpha);
    arena_free(&mem);
    return st;
}
