/* Masks are chosen within a stretch of a row by sorting what is lost, the first of equals going first. */
#include "compress/kit/sparse.h"
#include <math.h>
#include <stdlib.h>

enum { BLOCK = 128 }; /* columns of one choice, along a Hessian */

status sparse_pattern_read(context *cx, const char *text, sparse_pattern *out) {
    char *end;
    *out = (sparse_pattern){0};
    long keep = strtol(text, &end, 10);
    if (*end == ':') {
        long of = strtol(end + 1, &end, 10);
        if (*end || keep < 1 || of <= keep || of > 64)
            FAIL(cx, STATUS_BAD_ARGUMENT, "'%s' is no N:M with 1 <= N < M <= 64", text);
        *out = (sparse_pattern){.keep = keep, .of = of};
        return STATUS_OK;
    }
    if (!options_double_from(text, &out->share) || !(out->share > 0) || !(out->share < 1))
        FAIL(cx, STATUS_BAD_ARGUMENT, "'%s' is no share between 0 and 1, nor N:M", text);
    return STATUS_OK;
}

typedef struct loss {
    double value;
    int32_t at;
} loss;

static int rising(const void *a, const void *b) {
    const loss *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->at - y->at;
}

/* The first `count` of n after sorting are those that go. */
static int64_t choose(loss *space, int64_t n, const sparse_pattern *p) {
    qsort(space, (size_t)n, sizeof *space, rising);
    return p->of ? MAX_OF(n - p->keep, 0) : (int64_t)llround(p->share * (double)n);
}

typedef struct masking {
    float *values;
    int64_t rows, k;
    const float *weigh;
    const hessian *h;
    const sparse_pattern *p;
    double *space; /* for each thread: [k] doubles, [k] losses */
} masking;

static void mask_rows(void *arg, int64_t from, int64_t to, int thread) {
    const masking *w = arg;
    loss *space = (loss *)(void *)(w->space + (int64_t)thread * 3 * w->k + w->k);
    int64_t step = w->p->of ? w->p->of : w->k;
    for (int64_t r = from; r < to; r++) {
        float *x = w->values + r * w->k;
        for (int64_t at = 0; at < w->k; at += step) {
            int64_t n = MIN_OF(step, w->k - at);
            for (int64_t i = 0; i < n; i++)
                space[i] = (loss){fabs((double)(x[at + i] * w->weigh[at + i])), (int32_t)i};
            int64_t gone = choose(space, n, w->p);
            for (int64_t i = 0; i < gone; i++) x[at + space[i].at] = 0;
        }
    }
}

/* One row along U: masks by w^2 / U_jj^2 in stretches, each from values that make up for what went before. */
static void walk_row(const masking *w, float *values, double *x, loss *space) {
    const hessian *h = w->h;
    int64_t k = h->k, step = w->p->of ? w->p->of : BLOCK;
    for (int64_t i = 0; i < k; i++) x[i] = h->diag[i] > 0 ? (double)values[i] : 0;
    for (int64_t at = 0; at < k; at += step) {
        int64_t n = MIN_OF(step, k - at);
        bool goes[BLOCK] = {false};
        for (int64_t i = 0; i < n; i++) {
            double u = *hessian_row(h, at + i);
            space[i] = (loss){x[at + i] * x[at + i] / (u * u), (int32_t)i};
        }
        int64_t gone = choose(space, n, w->p);
        for (int64_t i = 0; i < gone; i++) goes[space[i].at] = true;
        for (int64_t i = 0; i < n; i++) {
            if (!goes[i]) continue;
            hessian_spread(h, at + i, x[at + i] / *hessian_row(h, at + i), x);
            x[at + i] = 0;
        }
    }
    for (int64_t i = 0; i < k; i++) values[i] = (float)x[i];
}

static void walk_rows(void *arg, int64_t from, int64_t to, int thread) {
    const masking *w = arg;
    double *x = w->space + (int64_t)thread * 3 * w->k;
    for (int64_t r = from; r < to; r++)
        walk_row(w, w->values + r * w->k, x, (loss *)(void *)(x + w->k));
}

static status run(compress *c, masking *w, pool_task *task) {
    size_t each = (size_t)w->k * (sizeof(double) + sizeof(loss));
    w->space = context_alloc(c->cx, (size_t)pool_threads(c->workers) * each);
    if (!w->space) return STATUS_NO_MEMORY;
    pool_run(c->workers, task, w, w->rows);
    context_release(c->cx, w->space);
    return STATUS_OK;
}

status sparse_mask(compress *c, float *values, int64_t rows, int64_t k, const float *weigh,
                   const sparse_pattern *p) {
    masking w = {.values = values, .rows = rows, .k = k, .weigh = weigh, .p = p};
    return run(c, &w, mask_rows);
}

double sparse_flops(int64_t rows, int64_t k, const sparse_pattern *p) {
    double goes = p->of ? (double)(p->of - p->keep) / (double)p->of : p->share;
    return (double)rows * (double)k * (double)k * goes;
}

status sparse_along(compress *c, float *values, int64_t rows, const hessian *h,
                    const sparse_pattern *p) {
    masking w = {.values = values, .rows = rows, .k = h->k, .h = h, .p = p};
    c->flops += sparse_flops(rows, h->k, p);
    return run(c, &w, walk_rows);
}
