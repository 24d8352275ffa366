/* Sums of outer products of rows, X^T X, symmetric: of row i the cells from the diagonal on are kept, k - i of them.
 * Rows are added strip by strip of columns, so that beside the sums no more than a strip of them is held. */
#ifndef COMPRESS_KIT_GRAM_H
#define COMPRESS_KIT_GRAM_H

#include "compress/kit/compress.h"
#include "exec/plan.h"

static inline int64_t gram_cells(int64_t k) {
    return k * (k + 1) / 2;
}
/* Where row i begins, at its diagonal. */
static inline int64_t gram_row(int64_t k, int64_t i) {
    return i * k - i * (i - 1) / 2;
}
static inline float gram_cell(const float *gram, int64_t k, int64_t i, int64_t j) {
    return gram[i <= j ? gram_row(k, i) + j - i : gram_row(k, j) + i - j];
}
/* d G d^T. */
double gram_quadratic(const float *gram, const float *d, int64_t k);

typedef struct gram_adder {
    compress *c;
    int64_t k, strip;
    graph *g;
    states *store;
    plan *p;
    int64_t held_bytes; /* in a dry run, until it is closed */
} gram_adder;

/* For at most so many rows at once. */
status gram_open(compress *c, int64_t k, int64_t rows, gram_adder *out) MUST_USE;
void gram_close(gram_adder *a); /* fine on a zeroed one */
/* Rows [n, k]. */
status gram_add(gram_adder *a, const float *rows, int64_t n, float *gram) MUST_USE;
/* In a dry run: so often so many rows. */
status gram_foresee(gram_adder *a, int64_t n, double times) MUST_USE;

#endif
