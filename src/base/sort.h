/* Numbers in order, and what stands in the middle of them. */
#ifndef BASE_SORT_H
#define BASE_SORT_H

#include <stdint.h>

/* Smallest first; NaN has no place. */
void sort_numbers(double *x, int64_t n);
/* Sorts; the mean of two in the middle; 0 of none. */
double sort_median(double *x, int64_t n);

#endif
