/* Threads that share one piece of work at a time. A pool belongs to one caller, who is its thread
 * 0; the others are its workers. pool_run deals out [0, units) in contiguous ranges and returns
 * when all are done; what a unit computes must not depend on who runs it. Inside a step
 * (pool_enter_step .. pool_leave_step) workers spin between runs and start within a fraction of a
 * microsecond; outside they sleep, but for a moment behind a step, in which the next mostly begins.
 *
 * A pool that uses every CPU of the process pins each thread to one (the caller only inside a
 * step); a smaller pool leaves placement to the system, so that two such pools do not sit on the
 * same CPUs. A pool with more threads than there are CPUs never spins. All tasks run with the
 * default float mode (round to nearest, denormals kept), whatever the caller's own is. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/status.h"

typedef struct pool pool;
typedef void pool_task(void *arg, int64_t from, int64_t to, int thread);

enum { POOL_MAX_THREADS = 1024 };

/* threads: 0 takes as many as can run at once (affinity and cgroup quota). */
status pool_new(context *cx, int threads, pool **out);
void pool_free(pool *p);         /* NULL is fine */
int pool_threads(const pool *p); /* of NULL: 1 */

/* They nest. */
void pool_enter_step(pool *p);
void pool_leave_step(pool *p);

/* Keeps the calling thread, which is none of a pool's, off the CPU to which callers are pinned: for one that wakes
 * often while a pool works. A worker beside it loses a few pieces to others; a caller would hold up all. */
void pool_stay_clear(void);

/* Ranges go to whoever is free, large ones first. A worker that the system has not scheduled delays
 * nothing. Tasks never call back into the pool. With one thread (or no pool), or one unit, this is
 * a direct call. */
void pool_run(pool *p, pool_task *task, void *arg, int64_t units);
/* The same in fewer, larger ranges, for work that only reads memory: each range begins with lines that nobody asked for
 * ahead, and threads that share the memory's bandwidth end together without many small ones. */
void pool_run_stream(pool *p, pool_task *task, void *arg, int64_t units);
/* Thread t always gets the same range [units * t / threads, units * (t + 1) / threads), for work
 * that should find its memory where it left it. */
void pool_run_static(pool *p, pool_task *task, void *arg, int64_t units);

#endif
