/* One word, `cursor`, announces work and deals it out: the run's number, how it is dealt out, and the
 * pieces not yet taken. Whoever takes pieces does so by compare-and-swap on the whole word, so that a
 * taken piece belongs to the run whose number was in it, and that run cannot end (and its description
 * not change) before the piece is counted in `done`. Thus a worker may come late, or not at all.
 *     publish: task, arg, ...; done = 0; cursor = (number + 1, dealing, pieces)
 *     take:    n = max(1, pieces / (2 * threads)) from the front, or pieces / threads of a run that streams
 * A static run has no pieces to take, and does not end before each worker has seen it and done its range.
 * What a worker must read lies in the cursor's cache line: one transfer starts it, one more ends the run.
 * Sleeping: a thread counts itself in `sleepers` under the lock and looks again before it waits; who
 * publishes looks at `sleepers` after publishing. Both are sequentially consistent, so that one of them
 * sees the other. */
#include "base/pool.h"
#include "base/cpu.h"
#include "base/time.h"
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

enum { SPINS_IN_STEP = 20000, SPINS_FOR_END = 20000, NUMBER_SHIFT = 32 };
static const double LINGER_SECONDS = 200e-6;
#define STATIC_BIT (UINT64_C(1) << 31)
#define STREAM_BIT (UINT64_C(1) << 30)
#define PIECES_MASK (STREAM_BIT - 1)
typedef enum dealing { DEAL_EVENLY, DEAL_STREAM, DEAL_STATIC } dealing;

typedef struct worker {
    pool *p;
    pthread_t thread;
    int index;
} worker;

/* All but the cursor changes only between runs. */
typedef struct run {
    ALIGNED(CACHE_LINE) atomic_uint_fast64_t cursor;
    pool_task *task;
    void *arg;
    int64_t units, grain, pieces;
    int threads;
} run;
static_assert(sizeof(run) == CACHE_LINE, "a run fits one line");

struct pool {
    run run;
    ALIGNED(CACHE_LINE) atomic_int_fast64_t done;
    atomic_bool caller_sleeps;
    ALIGNED(CACHE_LINE) atomic_bool spinning;
    atomic_bool stopping;
    atomic_int sleepers;

    ALIGNED(CACHE_LINE) context *cx;
    int started;
    bool may_spin, pins;
    int step_depth;
    uint32_t caller_mode; /* float mode outside the step */
    cpu_set_t caller_cpus;
    bool caller_pinned;
    pthread_mutex_t lock;
    pthread_cond_t wake, finished;
    worker *workers; /* 1 .. threads - 1 */
};

static uint64_t run_number(uint64_t cursor) {
    return cursor >> NUMBER_SHIFT;
}

static void count_done(pool *p, int64_t pieces) {
    int64_t total = p->run.pieces; /* read first: the run may end with the addition */
    if (atomic_fetch_add(&p->done, pieces) + pieces < total) return;
    if (!atomic_load(&p->caller_sleeps)) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->finished);
    pthread_mutex_unlock(&p->lock);
}

/* Takes and runs pieces until none is left. */
static void take_pieces(pool *p, int thread) {
    uint64_t cursor = atomic_load_explicit(&p->run.cursor, memory_order_acquire);
    for (;;) {
        int64_t left = (int64_t)(cursor & PIECES_MASK);
        if (left == 0) return;
        int64_t n = MAX_OF(1, left / p->run.threads / (cursor & STREAM_BIT ? 1 : 2));
        if (!atomic_compare_exchange_weak(&p->run.cursor, &cursor, cursor - (uint64_t)n)) continue;
        int64_t from = (p->run.pieces - left) * p->run.grain;
        p->run.task(p->run.arg, from, MIN_OF(from + n * p->run.grain, p->run.units), thread);
        count_done(p, n);
        cursor = atomic_load_explicit(&p->run.cursor, memory_order_acquire);
    }
}

static void run_own_range(pool *p, int thread) {
    int64_t threads = p->run.threads;
    int64_t share = p->run.units / threads, rest = p->run.units % threads;
    int64_t from = share * thread + rest * thread / threads;
    int64_t to = share * (thread + 1) + rest * (thread + 1) / threads;
    if (from < to) p->run.task(p->run.arg, from, to, thread);
}

static bool must_look(pool *p, uint64_t seen) {
    return run_number(atomic_load(&p->run.cursor)) != seen || atomic_load(&p->stopping);
}

/* Awake: without a pause within a step; behind one for the moment that it may take until the next begins, while whoever
 * else wants the CPU goes first. */
static bool look_out(pool *p, uint64_t seen) {
    for (int i = 0; i < SPINS_IN_STEP && atomic_load(&p->spinning); i++) {
        if (must_look(p, seen)) return true;
        spin_pause();
    }
    if (!p->may_spin || atomic_load(&p->spinning)) return false;
    for (double until = time_seconds() + LINGER_SECONDS; time_seconds() < until; sched_yield())
        if (must_look(p, seen)) return true;
    return false;
}

/* Returns when a run newer than `seen` was published, or the pool stops. */
static void wait_for_run(pool *p, uint64_t seen) {
    for (;;) {
        if (look_out(p, seen)) return;
        pthread_mutex_lock(&p->lock);
        atomic_fetch_add(&p->sleepers, 1);
        bool look = must_look(p, seen);
        if (!look) pthread_cond_wait(&p->wake, &p->lock);
        atomic_fetch_sub(&p->sleepers, 1);
        pthread_mutex_unlock(&p->lock);
        if (look || must_look(p, seen)) return;
    }
}

static void pin_to(const cpu_facts *facts, int index) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)facts->cpu_id[index], &set);
    sched_setaffinity(0, sizeof set, &set);
}

void pool_stay_clear(void) {
    const cpu_facts *facts = cpu_get();
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int32_t i = 1; i < facts->cpus; i++) CPU_SET((size_t)facts->cpu_id[i], &set);
    if (facts->cpus > 1) sched_setaffinity(0, sizeof set, &set);
}

static void *worker_main(void *arg) {
    worker *w = arg;
    pool *p = w->p;
    char name[16];
    snprintf(name, sizeof name, "hone-%d", w->index);
    pthread_setname_np(pthread_self(), name);
    if (p->pins) pin_to(cpu_get(), w->index);
    float_mode_set(FLOAT_MODE_DEFAULT);
    uint64_t seen = 0;
    for (;;) {
        wait_for_run(p, seen);
        if (atomic_load(&p->stopping)) return NULL;
        uint64_t cursor = atomic_load(&p->run.cursor);
        seen = run_number(cursor);
        if (cursor & STATIC_BIT) {
            run_own_range(p, w->index);
            count_done(p, 1);
        } else {
            take_pieces(p, w->index);
        }
    }
}

static void wake_sleepers(pool *p) {
    if (atomic_load(&p->sleepers) == 0) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void wait_for_end(pool *p) {
    for (int i = 0; i < SPINS_FOR_END && p->may_spin; i++) {
        if (atomic_load_explicit(&p->done, memory_order_acquire) == p->run.pieces) return;
        spin_pause();
    }
    if (atomic_load(&p->done) == p->run.pieces) return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->caller_sleeps, true);
    while (atomic_load(&p->done) != p->run.pieces) pthread_cond_wait(&p->finished, &p->lock);
    atomic_store(&p->caller_sleeps, false);
    pthread_mutex_unlock(&p->lock);
}

static void publish(pool *p, uint64_t how) {
    uint64_t next = run_number(atomic_load(&p->run.cursor)) + 1;
    atomic_store(&p->run.cursor, next << NUMBER_SHIFT | how);
    wake_sleepers(p);
}

static void run_all(pool *p, pool_task *task, void *arg, int64_t units, dealing how) {
    p->run.task = task;
    p->run.arg = arg;
    p->run.units = units;
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    if (how == DEAL_STATIC) {
        p->run.pieces = p->run.threads - 1;
        publish(p, STATIC_BIT);
        run_own_range(p, 0);
    } else {
        p->run.grain = 1 + units / (int64_t)PIECES_MASK;
        p->run.pieces = div_up(units, p->run.grain);
        publish(p, (uint64_t)p->run.pieces | (how == DEAL_STREAM ? STREAM_BIT : 0));
        take_pieces(p, 0);
    }
    wait_for_end(p);
}

static void run_any(pool *p, pool_task *task, void *arg, int64_t units, dealing how) {
    if (units <= 0) return;
    bool in_step = p && p->step_depth > 0;
    uint32_t mode = in_step ? 0 : float_mode_get();
    if (!in_step) float_mode_set(FLOAT_MODE_DEFAULT);
    if (!p || p->run.threads == 1 || (units == 1 && how != DEAL_STATIC))
        task(arg, 0, units, 0);
    else
        run_all(p, task, arg, units, how);
    if (!in_step) float_mode_set(mode);
}

void pool_run(pool *p, pool_task *task, void *arg, int64_t units) {
    run_any(p, task, arg, units, DEAL_EVENLY);
}

void pool_run_stream(pool *p, pool_task *task, void *arg, int64_t units) {
    run_any(p, task, arg, units, DEAL_STREAM);
}

void pool_run_static(pool *p, pool_task *task, void *arg, int64_t units) {
    run_any(p, task, arg, units, DEAL_STATIC);
}

void pool_enter_step(pool *p) {
    if (!p || p->step_depth++ > 0) return;
    p->caller_mode = float_mode_get();
    float_mode_set(FLOAT_MODE_DEFAULT);
    if (p->pins) {
        p->caller_pinned = sched_getaffinity(0, sizeof p->caller_cpus, &p->caller_cpus) == 0;
        if (p->caller_pinned) pin_to(cpu_get(), 0);
    }
    if (!p->may_spin || p->run.threads == 1) return;
    atomic_store(&p->spinning, true);
    wake_sleepers(p);
}

void pool_leave_step(pool *p) {
    if (!p) return;
    assert(p->step_depth > 0);
    if (--p->step_depth > 0) return;
    atomic_store(&p->spinning, false);
    if (p->caller_pinned) sched_setaffinity(0, sizeof p->caller_cpus, &p->caller_cpus);
    p->caller_pinned = false;
    float_mode_set(p->caller_mode);
}

int pool_threads(const pool *p) {
    return p ? p->run.threads : 1;
}

/* Workers take no signals: those are for the threads that the program knows of. */
static status start_workers(pool *p) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    for (p->started = 1; p->started < p->run.threads; p->started++) {
        worker *w = &p->workers[p->started];
        w->p = p;
        w->index = p->started;
        error = pthread_create(&w->thread, NULL, worker_main, w);
        if (error) break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        FAIL(p->cx, STATUS_NO_MEMORY, "cannot start thread %d of %d", p->started + 1,
             p->run.threads);
    return STATUS_OK;
}

status pool_new(context *cx, int threads, pool **out) {
    *out = NULL;
    const cpu_facts *facts = cpu_get();
    if (threads < 0 || threads > POOL_MAX_THREADS)
        FAIL(cx, STATUS_BAD_ARGUMENT, "%d threads: must be 0 (all CPUs) to %d", threads,
             POOL_MAX_THREADS);
    if (threads == 0) threads = MIN_OF(facts->usable, POOL_MAX_THREADS);
    pool *p = context_zalloc(cx, sizeof *p);
    if (!p) return STATUS_NO_MEMORY;
    p->cx = cx;
    p->run.threads = threads;
    p->may_spin = threads <= facts->usable;
    p->pins = threads > 1 && threads == facts->usable && threads == facts->cpus;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->finished, NULL);
    p->workers = context_zalloc(cx, (size_t)threads * sizeof *p->workers);
    status st = p->workers ? start_workers(p) : STATUS_NO_MEMORY;
    if (st != STATUS_OK) {
        pool_free(p);
        return st;
    }
    *out = p;
    return STATUS_OK;
}

void pool_free(pool *p) {
    if (!p) return;
    atomic_store(&p->stopping, true);
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; i < p->started; i++) pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->finished);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    context_release(p->cx, p->workers);
    context_release(p->cx, p);
}
