#include "base/sort.h"
#include <stdlib.h>

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void sort_numbers(double *x, int64_t n) {
    qsort(x, (size_t)n, sizeof *x, ascending);
}

double sort_median(double *x, int64_t n) {
    sort_numbers(x, n);
    return !n ? 0 : n % 2 ? x[n / 2] : 0.5 * (x[n / 2 - 1] + x[n / 2]);
}
