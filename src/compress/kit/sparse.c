/* Masks are chosen within a stretch of a row by sorting what is lost, the first of equals going first. A share of all
 * rows lets those that lose more by it keep more; along a Hessian it is chosen as SparseGPT has it, block by block of
 * columns. */
#include "compress/kit/sparse.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 128 }; /* columns of one choice of a share along a Hessian */

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

/* What goes of a row's next n columns goes, and the columns behind make up for it. */
static void take(const hessian *h, int64_t at, int64_t n, const bool *goes, double *x) {
    for (int64_t i = at; i < at + n; i++) {
        if (!goes[i - at]) continue;
        hessian_spread(h, i, x[i] / *hessian_row(h, i), x);
        x[i] = 0;
    }
}

/* What is lost at column i: w^2 / U_ii^2, of values that make up for what went before. */
static double lost(const hessian *h, int64_t i, double x) {
    double u = *hessian_row(h, i);
    return x * x / (u * u);
}

static void walk_row(const masking *w, float *values, double *x, loss *space) {
    const hessian *h = w->h;
    int64_t k = h->k, step = w->p->of;
    for (int64_t i = 0; i < k; i++) x[i] = h->diag[i] > 0 ? (double)values[i] : 0;
    for (int64_t at = 0; at < k; at += step) {
        int64_t n = MIN_OF(step, k - at);
        bool goes[BLOCK] = {false};
        for (int64_t i = 0; i < n; i++) space[i] = (loss){lost(h, at + i, x[at + i]), (int32_t)i};
        int64_t gone = choose(space, n, w->p);
        for (int64_t i = 0; i < gone; i++) goes[space[i].at] = true;
        take(h, at, n, goes, x);
    }
    for (int64_t i = 0; i < k; i++) values[i] = (float)x[i];
}

static void walk_rows(void *arg, int64_t from, int64_t to, int thread) {
    const masking *w = arg;
    double *x = w->space + (int64_t)thread * 3 * w->k;
    for (int64_t r = from; r < to; r++)
        walk_row(w, w->values + r * w->k, x, (loss *)(void *)(x + w->k));
}

static int64_t space_bytes(const compress *c, int64_t k) {
    return pool_threads(c->workers) * k * (int64_t)(sizeof(double) + sizeof(loss));
}

static status run(compress *c, masking *w, pool_task *task) {
    w->space = context_alloc(c->cx, (size_t)space_bytes(c, w->k));
    if (!w->space) return STATUS_NO_MEMORY;
    pool_run(c->workers, task, w, w->rows);
    context_release(c->cx, w->space);
    return STATUS_OK;
}

double sparse_flops(int64_t rows, int64_t k, const sparse_pattern *p) {
    double goes = p->of ? (double)(p->of - p->keep) / (double)p->of : p->share;
    return (double)rows * (double)k * (double)k * goes;
}

/* ---- a share of all rows ---- */

typedef struct blocking {
    masking w;
    int64_t at, n; /* columns of the block */
    float *losses; /* [rows, n], and once more to be put in order */
    bool *goes;    /* [rows, n] */
} blocking;

static int64_t block_bytes(int64_t cells) {
    return cells * (int64_t)(2 * sizeof(float) + sizeof(bool));
}

static bool open_block(compress *c, int64_t cells, blocking *b) {
    b->losses = context_alloc(c->cx, (size_t)(2 * cells) * sizeof *b->losses);
    b->goes = context_alloc(c->cx, (size_t)cells * sizeof *b->goes);
    return b->losses && b->goes;
}

static void close_block(compress *c, blocking *b) {
    context_release(c->cx, b->goes);
    context_release(c->cx, b->losses);
}

static void count_losses(void *arg, int64_t from, int64_t to, int thread) {
    const blocking *b = arg;
    const hessian *h = b->w.h;
    (void)thread;
    for (int64_t r = from; r < to; r++)
        for (int64_t i = b->at; i < b->at + b->n; i++) {
            float *x = &b->w.values[r * h->k + i];
            if (!(h->diag[i] > 0)) *x = 0;
            b->losses[r * b->n + i - b->at] = (float)lost(h, i, (double)*x);
        }
}

static void walk_block(void *arg, int64_t from, int64_t to, int thread) {
    const blocking *b = arg;
    const hessian *h = b->w.h;
    double *x = b->w.space + (int64_t)thread * h->k;
    for (int64_t r = from; r < to; r++) {
        float *values = b->w.values + r * h->k;
        for (int64_t i = b->at; i < h->k; i++) x[i] = (double)values[i];
        take(h, b->at, b->n, b->goes + r * b->n, x);
        for (int64_t i = b->at; i < h->k; i++) values[i] = (float)x[i];
    }
}

/* The number at `place` of n, were they in order; they are moved (Hoare 1961). */
static float at_place(float *x, int64_t n, int64_t place) {
    int64_t low = 0, high = n - 1;
    while (low < high) {
        float pivot = x[low + (high - low) / 2];
        int64_t i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot) i++;
            while (x[j] > pivot) j--;
            if (i > j) break;
            float t = x[i];
            x[i++] = x[j];
            x[j--] = t;
        }
        if (place <= j)
            high = j;
        else if (place >= i)
            low = i;
        else
            break;
    }
    return x[place];
}

/* Those that lose least, the first of equals. */
static void mask_block(const blocking *b) {
    int64_t cells = b->w.rows * b->n, gone = (int64_t)llround(b->w.p->share * (double)cells);
    float *sorted = b->losses + cells, limit = -1;
    memcpy(sorted, b->losses, (size_t)cells * sizeof *sorted);
    if (gone) limit = at_place(sorted, cells, gone - 1);
    for (int64_t i = 0; i < cells; i++) gone -= b->goes[i] = b->losses[i] < limit;
    for (int64_t i = 0; i < cells && gone > 0; i++)
        if (b->losses[i] == limit) {
            b->goes[i] = true;
            gone--;
        }
}

static status share_along(compress *c, const masking *w) {
    int64_t k = w->k;
    blocking b = {.w = *w};
    bool all = open_block(c, w->rows * MIN_OF(k, BLOCK), &b);
    b.w.space = context_alloc(c->cx, (size_t)(pool_threads(c->workers) * k) * sizeof(double));
    all = all && b.w.space;
    for (; all && b.at < k; b.at += b.n) {
        b.n = MIN_OF(BLOCK, k - b.at);
        pool_run(c->workers, count_losses, &b, w->rows);
        mask_block(&b);
        pool_run(c->workers, walk_block, &b, w->rows);
    }
    context_release(c->cx, b.w.space);
    close_block(c, &b);
    return all ? STATUS_OK : STATUS_NO_MEMORY;
}

static status mask_all(compress *c, const masking *w) {
    blocking b = {.w = *w, .n = w->k};
    int64_t cells = w->rows * w->k;
    bool all = open_block(c, cells, &b);
    for (int64_t i = 0; all && i < cells; i++)
        b.losses[i] = fabsf(w->values[i] * w->weigh[i % w->k]);
    if (all) mask_block(&b);
    for (int64_t i = 0; all && i < cells; i++)
        if (b.goes[i]) w->values[i] = 0;
    close_block(c, &b);
    return all ? STATUS_OK : STATUS_NO_MEMORY;
}

status sparse_mask(compress *c, float *values, int64_t rows, int64_t k, const float *weigh,
                   const sparse_pattern *p) {
    masking w = {.values = values, .rows = rows, .k = k, .weigh = weigh, .p = p};
    return p->of || !p->of_all ? run(c, &w, mask_rows) : mask_all(c, &w);
}

int64_t sparse_bytes(const compress *c, int64_t rows, int64_t k, const sparse_pattern *p,
                     bool along) {
    if (!p->of && along)
        return block_bytes(rows * MIN_OF(k, BLOCK)) +
               pool_threads(c->workers) * k * (int64_t)sizeof(double);
    return !p->of && p->of_all ? block_bytes(rows * k) : space_bytes(c, k);
}

status sparse_along(compress *c, float *values, int64_t rows, const hessian *h,
                    const sparse_pattern *p) {
    masking w = {.values = values, .rows = rows, .k = h->k, .h = h, .p = p};
    c->flops += sparse_flops(rows, h->k, p);
    return p->of ? run(c, &w, walk_rows) : share_along(c, &w);
}
