/* The pool: every unit runs exactly once whoever runs it, in and out of steps, with one thread and
 * with more than there are CPUs; float modes agree; dispatch is quick enough. */
#include "test.h"
#include "base/cpu.h"
#include "base/pool.h"
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

enum { MOST_UNITS = 10007 };

typedef struct tally {
    atomic_int runs[MOST_UNITS];
    atomic_int other_mode, bad_thread;
    int threads;
} tally;

static void count_units(void *arg, int64_t from, int64_t to, int thread) {
    tally *y = arg;
    if (thread < 0 || thread >= y->threads) atomic_fetch_add(&y->bad_thread, 1);
    if ((float_mode_get() & ~0x3fu) != FLOAT_MODE_DEFAULT) atomic_fetch_add(&y->other_mode, 1);
    for (int64_t i = from; i < to; i++) atomic_fetch_add(&y->runs[i], 1);
}

static bool ran_once(const tally *y, int64_t units) {
    for (int64_t i = 0; i < MOST_UNITS; i++) {
        if (atomic_load(&y->runs[i]) != (i < units)) return false;
    }
    return atomic_load(&y->other_mode) == 0 && atomic_load(&y->bad_thread) == 0;
}

static void clear(tally *y) {
    for (int64_t i = 0; i < MOST_UNITS; i++) atomic_store(&y->runs[i], 0);
}

static void (*const runs[])(pool *, pool_task *, void *, int64_t) = {pool_run, pool_run_stream,
                                                                     pool_run_static};

static void every_unit_once(test *t) {
    context *cx = context_new();
    static tally y;
    const int counts[] = {1, 2, 3, 7, 16};
    const int64_t units[] = {0, 1, 2, 5, 100, MOST_UNITS};
    for (int i = 0; i < COUNT_OF(counts); i++) {
        pool *p;
        CHECK_OK(t, cx, pool_new(cx, counts[i], &p));
        y.threads = pool_threads(p);
        CHECK(t, y.threads == counts[i], "%d threads", y.threads);
        for (int round = 0; round < 2 * 3 * COUNT_OF(units); round++) {
            int64_t n = units[round / 3 % COUNT_OF(units)];
            bool step = round / 3 / COUNT_OF(units) == 1;
            clear(&y);
            if (step) pool_enter_step(p);
            runs[round % 3](p, count_units, &y, n);
            if (step) pool_leave_step(p);
            CHECK(t, ran_once(&y, n), "%d threads, %d units, round %d", counts[i], (int)n, round);
        }
        atomic_fetch_add(&y.runs[0], 1); /* control: a unit run twice must show */
        CHECK(t, !ran_once(&y, MOST_UNITS));
        pool_free(p);
    }
    CHECK(t, context_live_allocations(cx) == 0);
    context_free(cx);
}

static void sum_units(void *arg, int64_t from, int64_t to, int thread) {
    (void)thread;
    atomic_fetch_add((atomic_int_fast64_t *)arg, (from + to - 1) * (to - from) / 2);
}

/* Many short runs back to back: late workers meet later runs. */
static void many_runs(test *t) {
    context *cx = context_new();
    for (int threads = 2; threads <= 5; threads++) {
        pool *p;
        CHECK_OK(t, cx, pool_new(cx, threads, &p));
        pool_enter_step(p);
        for (int64_t i = 0; i < 2000; i++) {
            atomic_int_fast64_t sum = 0;
            int64_t n = 1 + i % 37;
            runs[i % 5 % 3](p, sum_units, &sum, n);
            CHECK(t, sum == n * (n - 1) / 2, "run %d", (int)i);
        }
        pool_leave_step(p);
        pool_free(p);
    }
    context_free(cx);
}

static void add_units(void *arg, int64_t from, int64_t to, int thread) {
    (void)thread;
    atomic_fetch_add((atomic_int_fast64_t *)arg, to - from);
}

static void large_counts(test *t) {
    context *cx = context_new();
    pool *p;
    CHECK_OK(t, cx, pool_new(cx, 2, &p));
    const int64_t n = (int64_t)5 << 33;
    atomic_int_fast64_t units = 0;
    pool_run(p, add_units, &units, n);
    CHECK(t, units == n, "%lld of %lld", (long long)units, (long long)n);
    pool_free(p);
    context_free(cx);
}

static void float_modes(test *t) {
    context *cx = context_new();
    static tally y;
    pool *p;
    CHECK_OK(t, cx, pool_new(cx, 2, &p));
    y.threads = 2;
    uint32_t before = float_mode_get(), odd = FLOAT_MODE_DEFAULT | 0x8040; /* denormals are zero */
    float_mode_set(odd);
    pool_run(p, count_units, &y, 1);
    CHECK(t, ran_once(&y, 1) && float_mode_get() == odd);
    pool_enter_step(p);
    clear(&y);
    pool_run(p, count_units, &y, 100);
    CHECK(t, ran_once(&y, 100));
    pool_leave_step(p);
    CHECK(t, float_mode_get() == odd);
    clear(&y);
    count_units(&y, 0, 100, 0); /* control: outside the pool the odd mode is seen */
    CHECK(t, atomic_load(&y.other_mode) == 1);
    float_mode_set(before);
    pool_free(p);
    context_free(cx);
}

static void refusals(test *t) {
    context *cx = context_new();
    pool *p;
    CHECK_FAILS(t, cx, pool_new(cx, -1, &p), STATUS_BAD_ARGUMENT, "-1 threads");
    CHECK_FAILS(t, cx, pool_new(cx, 100000, &p), STATUS_BAD_ARGUMENT, "100000 threads");
    for (int64_t n = 0; n < 2; n++) {
        context_fail_allocation_after(cx, n);
        CHECK(t,
              pool_new(cx, 2, &p) == STATUS_NO_MEMORY && !p && context_live_allocations(cx) == 0);
    }
    context_fail_allocation_after(cx, -1);
    static tally y;
    y.threads = 1;
    pool_run(NULL, count_units, &y, 10);
    CHECK(t, ran_once(&y, 10) && pool_threads(NULL) == 1);
    pool_free(NULL);
    context_free(cx);
}

static double now_us(void) {
    struct timespec s;
    clock_gettime(CLOCK_MONOTONIC, &s);
    return (double)s.tv_sec * 1e6 + (double)s.tv_nsec * 1e-3;
}

/* The best of many, because the machine is shared. The bound is loose; the figure is printed. */
static void dispatch(test *t) {
    if (cpu_get()->usable < 2) {
        test_skip(t, "one CPU: nothing to dispatch to");
        return;
    }
    context *cx = context_new();
    pool *p;
    CHECK_OK(t, cx, pool_new(cx, 2, &p));
    double best = 1e9;
    pool_enter_step(p);
    for (int round = 0; round < 300; round++) {
        atomic_int_fast64_t sum = 0;
        double start = now_us();
        for (int i = 0; i < 100; i++) pool_run_static(p, sum_units, &sum, 2);
        best = MIN_OF(best, (now_us() - start) / 100);
    }
    pool_leave_step(p);
    printf("  dispatch and join, 2 threads: %.2f us\n", best);
    CHECK(t, best < 20, "%.2f us", best);
    pool_free(p);
    context_free(cx);
}

const test_case suite_pool[] = {{"every_unit_once", every_unit_once},
                                {"many_runs", many_runs},
                                {"large_counts", large_counts},
                                {"float_modes", float_modes},
                                {"refusals", refusals},
                                {"dispatch", dispatch},
                                {0}};
