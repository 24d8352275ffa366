/* Whether two models differ, asked of the same items: what is hard for one is hard for the other, so that the
 * difference is known far better than either figure. Item i gives the sums a_i and b_i over its n_i parts (a window's
 * tokens, or a question alone).
 *   difference   d = sum (a_i - b_i) / sum n_i
 *   error        of it, each of the k items a cluster: sqrt(k / (k - 1) sum (a_i - b_i - d n_i)^2) / sum n_i
 *   low, high    95% interval: percentiles of d over resamples of the items with replacement (the paired bootstrap;
 *                Efron and Tibshirani 1993, section 13) */
#ifndef EVAL_PAIRED_H
#define EVAL_PAIRED_H

#include "base/arena.h"

typedef struct paired_result {
    double a, b; /* means */
    double difference, error, low, high;
    int64_t items;
} paired_result;

enum { PAIRED_ROUNDS = 2000 };

/* `parts` NULL: one each. Needs two items. */
status paired_compare(arena *mem, const double *a, const double *b, const double *parts, int64_t n,
                      uint64_t seed, paired_result *out) MUST_USE;

#endif
