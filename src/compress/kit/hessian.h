/* Second-order information of a product's inputs: the order of its columns, and the factor U of the inverse Hessian
 * that GPTQ and SparseGPT walk along.
 *
 *   H = X X^T + damp * mean(diag) * 1,  columns in `order`;  H^-1 = U^T U */
#ifndef COMPRESS_KIT_HESSIAN_H
#define COMPRESS_KIT_HESSIAN_H

#include "compress/kit/gram.h"

typedef struct hessian {
    int64_t k;
    double *u;      /* its rows from the diagonal on, as those of kit/gram.h */
    double *diag;   /* of H before damping, by column of the matrix; 0: no token moves it */
    int32_t *order; /* column of the matrix at each place */
} hessian;

/* `gram` is X X^T (kit/gram.h). `by_activation`: places go by falling diagonal, else as the columns are. */
status hessian_make(compress *c, const float *gram, int64_t k, double damp, bool by_activation,
                    hessian *out) MUST_USE;
void hessian_free(compress *c, hessian *h); /* fine on a zeroed one */
/* One of no correlations, for timing what walks along it. */
status hessian_stand_in(compress *c, int64_t k, hessian *out) MUST_USE;
/* U_ii, behind which lie U_ij of the places j after i. */
static inline const double *hessian_row(const hessian *h, int64_t i) {
    return h->u + gram_row(h->k, i);
}
/* x_j -= err U_ij for the places j after i. */
void hessian_spread(const hessian *h, int64_t i, double err, double *x);

#endif
