#include "eval/paired.h"
#include "base/rng.h"
#include "base/sort.h"
#include <math.h>

static double parts_of(const double *parts, int64_t i) {
    return parts ? parts[i] : 1;
}

status paired_compare(arena *mem, const double *a, const double *b, const double *parts, int64_t n,
                      uint64_t seed, paired_result *out) {
    double all = 0, sum_a = 0, sum_b = 0, squares = 0;
    double *drawn = ARENA_NEW(mem, double, PAIRED_ROUNDS);
    rng r = rng_make(seed, rng_stream("paired bootstrap"));
    if (!drawn) return STATUS_NO_MEMORY;
    if (n < 2)
        FAIL(mem->cx, STATUS_BAD_DATA, "a comparison needs two items, not %lld", (long long)n);
    for (int64_t i = 0; i < n; i++) {
        sum_a += a[i];
        sum_b += b[i];
        all += parts_of(parts, i);
    }
    *out = (paired_result){.a = sum_a / all, .b = sum_b / all, .items = n};
    out->difference = (sum_a - sum_b) / all;
    for (int64_t i = 0; i < n; i++) {
        double rest = a[i] - b[i] - out->difference * parts_of(parts, i);
        squares += rest * rest;
    }
    out->error = sqrt((double)n / (double)(n - 1) * squares) / all;
    for (int64_t round = 0; round < PAIRED_ROUNDS; round++) {
        double difference = 0, weight = 0;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = (int64_t)rng_below(&r, (uint64_t)n);
            difference += a[at] - b[at];
            weight += parts_of(parts, at);
        }
        drawn[round] = difference / weight;
    }
    sort_numbers(drawn, PAIRED_ROUNDS);
    out->low = drawn[(int64_t)(0.025 * (PAIRED_ROUNDS - 1))];
    out->high = drawn[(int64_t)ceil(0.975 * (PAIRED_ROUNDS - 1))];
    return STATUS_OK;
}
