/* With the matrix turned end to end (place i becomes k - 1 - i), H = L L^T gives H = R R^T for the upper triangular R
 * that is L turned back; then H^-1 = (R^-1)^T R^-1, so U = R^-1. All of it in the place of one triangle:
 * rows of L up to the diagonal, laid end to end, are rows of the turned matrix from the diagonal on when their cells
 * are reversed. */
#include "compress/kit/hessian.h"
#include "compress/kit/foresee.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct ranked {
    double activation;
    int32_t column;
} ranked;

/* The triangle, and vectors beside it. */
static size_t bytes_of(int64_t k) {
    return (size_t)gram_cells(k) * sizeof(double) +
           (size_t)k * (2 * sizeof(double) + sizeof(ranked) + sizeof(int32_t));
}

static double flops_of(int64_t k) {
    return 4.0 / 3 * (double)k * (double)k * (double)k;
}

void hessian_free(compress *c, hessian *h) {
    if (c->foresees) foresee_hold(c, h->k ? -(int64_t)bytes_of(h->k) : 0);
    context_release(c->cx, h->u);
    *h = (hessian){0};
}

VECTOR_CLONES
static double dot(const double *a, const double *b, int64_t n) {
    double lane[8] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) lane[l] += a[i + l] * b[i + l];
    for (int l = 0; l < 8; l++) sum += lane[l];
    for (; i < n; i++) sum += a[i] * b[i];
    return sum;
}

VECTOR_CLONES
static void take_away(double *restrict x, double factor, const double *restrict row, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] -= factor * row[i];
}

status hessian_stand_in(compress *c, int64_t k, hessian *out) {
    *out = (hessian){.k = k, .u = context_zalloc(c->cx, bytes_of(k))};
    if (!out->u) return STATUS_NO_MEMORY;
    out->diag = out->u + gram_cells(k);
    out->order = (int32_t *)(out->diag + k);
    for (int64_t i = 0; i < k; i++) {
        out->u[gram_row(k, i)] = out->diag[i] = 1;
        out->order[i] = (int32_t)i;
    }
    return STATUS_OK;
}

void hessian_spread(const hessian *h, int64_t i, double err, double *x) {
    take_away(x + i + 1, err, hessian_row(h, i) + 1, h->k - i - 1);
}

/* Of rows up to the diagonal. */
static int64_t lower(int64_t i) {
    return i * (i + 1) / 2;
}

/* L in place, of rows up to the diagonal; false: not positive. */
static bool factor(double *a, int64_t k) {
    for (int64_t i = 0; i < k; i++) {
        double *row = a + lower(i);
        for (int64_t j = 0; j < i; j++) {
            const double *above = a + lower(j);
            row[j] = (row[j] - dot(row, above, j)) / above[j];
        }
        double rest = row[i] - dot(row, row, i);
        if (!(rest > 0) || !isfinite(rest)) return false;
        row[i] = sqrt(rest);
    }
    return true;
}

/* L^-1 in the place of L; `row` holds k. */
static void invert(double *a, int64_t k, double *row) {
    for (int64_t i = 0; i < k; i++) {
        double *to = a + lower(i), scale = 1 / to[i];
        memcpy(row, to, (size_t)(i + 1) * sizeof *row);
        memset(to, 0, (size_t)(i + 1) * sizeof *to);
        for (int64_t j = 0; j < i; j++) take_away(to, row[j], a + lower(j), j + 1);
        for (int64_t j = 0; j < i; j++) to[j] *= scale;
        to[i] = scale;
    }
}

static int falling(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->activation != y->activation) return x->activation < y->activation ? 1 : -1;
    return x->column - y->column;
}

static void sort_columns(hessian *h, ranked *space) {
    for (int64_t i = 0; i < h->k; i++) space[i] = (ranked){h->diag[i], (int32_t)i};
    qsort(space, (size_t)h->k, sizeof *space, falling);
    for (int64_t i = 0; i < h->k; i++) h->order[i] = space[i].column;
}

/* H end to end, in the order of places, with so much added to its diagonal. */
static void lay_out(const hessian *h, const float *gram, double add, double mean) {
    int64_t k = h->k;
    for (int64_t i = 0; i < k; i++) {
        int64_t column = h->order[k - 1 - i];
        double *row = h->u + lower(i);
        for (int64_t j = 0; j <= i; j++)
            row[j] = (double)gram_cell(gram, k, column, h->order[k - 1 - j]);
        row[i] += add + (h->diag[column] == 0 ? mean : 0);
    }
}

static void reverse(double *a, int64_t cells) {
    for (int64_t i = 0, j = cells - 1; i < j; i++, j--) {
        double t = a[i];
        a[i] = a[j];
        a[j] = t;
    }
}

/* A dry run's: timed at a size that takes no time. */
static status foresee_hessian(compress *c, int64_t k, hessian *out) {
    enum { SMALL = 384 };
    int64_t n = MIN_OF(k, SMALL);
    hessian h;
    float *gram = context_zalloc(c->cx, (size_t)gram_cells(n) * sizeof *gram);
    if (!gram) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) gram[gram_row(n, i)] = 1;
    foresee_pause pause = foresee_stop(c);
    status st = hessian_make(c, gram, n, 0.01, false, &h);
    if (st == STATUS_OK) hessian_free(c, &h);
    double seconds = foresee_go_on(c, &pause);
    context_release(c->cx, gram);
    *out = (hessian){.k = k};
    foresee_hold(c, (int64_t)bytes_of(k));
    foresee_add(c, flops_of(k), seconds * flops_of(k) / flops_of(n));
    return st;
}

status hessian_make(compress *c, const float *gram, int64_t k, double damp, bool by_activation,
                    hessian *out) {
    if (c->foresees) return foresee_hessian(c, k, out);
    double mean = 0;
    *out = (hessian){.k = k, .u = context_alloc(c->cx, bytes_of(k))};
    if (!out->u) return STATUS_NO_MEMORY;
    out->diag = out->u + gram_cells(k);
    double *row = out->diag + k;
    ranked *space = (ranked *)(row + k);
    out->order = (int32_t *)(space + k);
    for (int64_t i = 0; i < k; i++) {
        out->order[i] = (int32_t)i;
        out->diag[i] = (double)gram[gram_row(k, i)];
        mean += out->diag[i] / (double)k;
    }
    if (!isfinite(mean)) FAIL(c->cx, STATUS_BAD_DATA, "activations are not finite");
    if (!(mean > 0)) mean = 1;
    if (by_activation) sort_columns(out, space);
    for (;; damp *= 10) {
        lay_out(out, gram, damp * mean, mean);
        if (factor(out->u, k)) break;
        if (damp > 1) FAIL(c->cx, STATUS_BAD_DATA, "the activations' products are not positive");
    }
    invert(out->u, k, row);
    reverse(out->u, gram_cells(k));
    c->flops += flops_of(k);
    return STATUS_OK;
}
