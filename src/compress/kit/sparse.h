/* Which values of rows go to 0; the rules are in compress/prune.c. */
#ifndef COMPRESS_KIT_SPARSE_H
#define COMPRESS_KIT_SPARSE_H

#include "compress/kit/hessian.h"

/* `keep` of every `of` stay; of 0: `share` goes, of each row, or of all together. */
typedef struct sparse_pattern {
    int64_t keep, of;
    double share;
    bool of_all;
} sparse_pattern;

/* "0.5", "2:4". */
status sparse_pattern_read(context *cx, const char *text, sparse_pattern *out) MUST_USE;
/* Sets to 0, in `rows` rows of k, where |value| weigh[j] is least. */
status sparse_mask(compress *c, float *values, int64_t rows, int64_t k, const float *weigh,
                   const sparse_pattern *p) MUST_USE;
/* The same by what the Hessian says is lost, which the values that stay make up for; a share is one of all rows, in
 * each 128 columns. */
status sparse_along(compress *c, float *values, int64_t rows, const hessian *h,
                    const sparse_pattern *p) MUST_USE;

/* Operations of sparse_along; bytes that it, or sparse_mask, takes beside the values. */
double sparse_flops(int64_t rows, int64_t k, const sparse_pattern *p);
int64_t sparse_bytes(const compress *c, int64_t rows, int64_t k, const sparse_pattern *p,
                     bool along);

#endif
