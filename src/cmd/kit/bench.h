/* What `hone bench` shares: measuring roofs, cases that are small graphs run as plans, peers. A case and its roof are
 * sampled by turns, so that a machine that slows down slows both; values are medians, a share is the median of the
 * pairs' ratios. None of the three disturbs another: each sample starts with one run that is not timed, and after a
 * peer's everybody waits until its threads have gone to sleep. */
#ifndef CMD_KIT_BENCH_H
#define CMD_KIT_BENCH_H

#include "base/pool.h"
#include "dev/roof.h"
#include "exec/plan.h"
#include <stdio.h>

/* A roof worse than what is measured under it by more than this is broken. */
#define BENCH_MOST_SHARE 1.03

typedef struct bench {
    context *cx;
    pool *workers;
    int threads;
    char *memory; /* for roofs, beyond any cache */
    int64_t memory_bytes, windows, window;
    const roof_def *best[ROOF_KINDS]; /* NULL: not looked for yet, or none */
    int64_t rounds[ROOF_KINDS];
} bench;

status bench_open(context *cx, int64_t threads, bench *out);
void bench_close(bench *b);

/* One sample of one loop on all threads: operations or bytes a second. */
double bench_roof_sample(bench *b, const roof_def *def, int64_t rounds);
/* The multiple of `bytes` that is at least four times the last cache, whatever its size. */
int64_t bench_beyond_caches(int64_t bytes);
/* Returns when no thread of this process is busy any more (another runtime's threads spin for a while). */
void bench_settle(void);
/* Rounds that take about 2 ms (arithmetic) or one pass over a window (memory). */
int64_t bench_roof_rounds(bench *b, const roof_def *def);
/* The best form on the instruction sets that may be used, by a few samples of each; NULL: none. */
const roof_def *bench_roof_best(bench *b, roof_kind kind);
/* The rate of that best form: the median of samples; 0 where there is none. */
double bench_roof_rate(bench *b, roof_kind kind);

typedef struct bench_result {
    double value, roof, share; /* of a time: its limit, and how much of that it takes */
    double most; /* share that is possible: a plain store also reads its line, so that work
                                  which stores less than half of its bytes can pass plain copying */
    const char *peer;
    double peer_value, ratio;
} bench_result;

/* A line of results: for people, or as one JSON object. */
typedef struct bench_row {
    const char *name, *text, *unit;
    bench_result result;
} bench_row;
status bench_put(context *cx, FILE *out, const bench_row *r, int threads, bool json, bool peers);

typedef struct bench_case bench_case;
struct bench_case {
    const char *name;
    const char *format;
    int64_t m, n, k; /* extents, in the order in which the case prints them; 0: not there */
    roof_kind roof;  /* ROOF_NONE: a time, below `limit_us`, for each of `m` things or for all */
    void (*build)(graph *g, const bench_case *c);
    int64_t ids_below;  /* of index inputs that are drawn */
    bool is_bytes;      /* the value is in bytes a second, else in operations */
    bool grows;         /* m, so that what is touched lies beyond the last cache */
    double limit_us[2]; /* with one thread, with more */
    status (*measure)(bench *b, const bench_case *c, bench_result *out); /* instead of a plan */
};

/* Opening a file of 4 GiB, of the kind in the case's name; reading `m` megabytes of JSON. */
status bench_time_open(bench *b, const bench_case *c, bench_result *out) MUST_USE;
status bench_time_json(bench *b, const bench_case *c, bench_result *out) MUST_USE;

/* Closed by a case without a name. */
extern const bench_case bench_cases[];

/* As it is run on this machine. */
bench_case bench_case_sized(const bench_case *c);
status bench_case_run(bench *b, const bench_case *c, bool peers, bench_result *out);
void bench_case_text(const bench_case *c, char *text, size_t size);
const char *bench_case_unit(const bench_case *c);

/* Fills the inputs and states of a plan, and binds its symbols to their bounds. */
status bench_prepare(plan *p, const bench_case *c);

/* ---- peers ---- */
typedef struct bench_peer bench_peer;
/* NULL where oneDNN cannot be loaded, and `why` then says so, or does not have such a case. */
bench_peer *bench_peer_open(bench *b, const bench_case *c, const char **why);
/* Seconds for one product as in the case; negative where the peer refused. */
double bench_peer_sample(bench_peer *p);
void bench_peer_close(bench_peer *p);

#endif
