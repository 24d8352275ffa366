/* Roofs measured on a pool. */
#include "base/cpu.h"
#include "base/sort.h"
#include "base/time.h"
#include "cmd/kit/bench.h"
#include <assert.h>
#include <string.h>

#define WINDOW_BYTES ((int64_t)128 << 20)
#define LEAST_BYTES ((int64_t)1 << 30)
enum { PIECES = 16, PIECE_BYTES = 1 << 16, MOST_PIECES = WINDOW_BYTES / PIECE_BYTES };
static_assert((int)POOL_MAX_THREADS <= (int)MOST_PIECES, "each thread has a piece to wake up with");

static void touch(void *arg, int64_t from, int64_t to, int thread) {
    const bench *b = arg;
    int64_t part = b->memory_bytes / b->threads;
    (void)thread;
    memset(b->memory + from * part, 0, (size_t)((to - from) * part));
}

int64_t bench_beyond_caches(int64_t bytes) {
    return MAX_OF(1, div_up(4 * cpu_get()->l3_bytes, bytes));
}

void bench_settle(void) {
    enum { NAP_NS = 1000000, MOST_NAPS = 200 };
    for (int i = 0; i < MOST_NAPS; i++) {
        double before = time_process_seconds();
        time_sleep_ns(NAP_NS);
        if (time_process_seconds() - before < 0.1e-9 * NAP_NS) return;
    }
}

status bench_open(context *cx, int64_t threads, bench *out) {
    *out = (bench){.cx = cx, .memory_bytes = LEAST_BYTES * bench_beyond_caches(LEAST_BYTES)};
    out->windows = out->memory_bytes / WINDOW_BYTES;
    TRY(pool_new(cx, (int)threads, &out->workers));
    out->threads = pool_threads(out->workers);
    out->memory = context_alloc(cx, (size_t)out->memory_bytes);
    if (!out->memory) {
        pool_free(out->workers);
        return context_note(cx, STATUS_NO_MEMORY, "memory to measure bandwidth with");
    }
    pool_run_static(out->workers, touch, out, out->threads);
    return STATUS_OK;
}

void bench_close(bench *b) {
    context_release(b->cx, b->memory);
    pool_free(b->workers);
}

typedef struct sampling {
    const roof_def *def;
    char *memory;
    int64_t bytes, rounds;
    double work[MOST_PIECES];
} sampling;

static void sample_part(void *arg, int64_t from, int64_t to, int thread) {
    sampling *s = arg;
    (void)thread;
    for (int64_t i = from; i < to; i++)
        s->work[i] = s->def->run(s->memory + i * s->bytes, s->bytes, s->rounds);
}

/* Dealt out in pieces, as a kernel's units are: a CPU that is taken away for a while slows both alike. */
double bench_roof_sample(bench *b, const roof_def *def, int64_t rounds) {
    int64_t pieces = MIN_OF(b->threads * PIECES, MOST_PIECES);
    sampling s = {.def = def, .rounds = rounds};
    s.bytes = MIN_OF(WINDOW_BYTES, b->memory_bytes) / pieces / PIECE_BYTES * PIECE_BYTES;
    s.memory = b->memory + b->window * WINDOW_BYTES;
    if (roof_is_memory(def->kind))
        b->window = (b->window + 1) % b->windows;
    else
        s.rounds = MAX_OF(1, rounds / PIECES);
    pool_enter_step(b->workers);
    sampling wake = s;
    wake.bytes = PIECE_BYTES, wake.rounds = 1;
    pool_run_static(b->workers, sample_part, &wake, b->threads);
    double begin = time_seconds(), work = 0;
    pool_run(b->workers, sample_part, &s, pieces);
    double seconds = time_seconds() - begin;
    pool_leave_step(b->workers);
    for (int i = 0; i < pieces; i++) work += s.work[i];
    return work / seconds;
}

int64_t bench_roof_rounds(bench *b, const roof_def *def) {
    if (roof_is_memory(def->kind)) return 1;
    int64_t rounds = 1000;
    for (double seconds = 0; seconds < 2e-3; rounds *= 2) {
        double begin = time_seconds();
        bench_roof_sample(b, def, rounds);
        seconds = time_seconds() - begin;
    }
    return rounds;
}

const roof_def *bench_roof_best(bench *b, roof_kind kind) {
    double best = 0;
    if (b->best[kind]) return b->best[kind];
    for (int32_t isa = 0; registry_roof[isa]; isa++) {
        if (!cpu_isa_allowed(registry_roof_names[isa])) continue;
        for (const roof_def *d = registry_roof[isa]; d->kind; d++) {
            if (d->kind != kind) continue;
            double sample[5];
            int64_t rounds = bench_roof_rounds(b, d);
            for (int i = 0; i < 5; i++) sample[i] = bench_roof_sample(b, d, rounds);
            double rate = sort_median(sample, 5);
            if (rate <= best) continue;
            best = rate;
            b->best[kind] = d;
            b->rounds[kind] = rounds;
        }
    }
    return b->best[kind];
}

double bench_roof_rate(bench *b, roof_kind kind) {
    const roof_def *best = bench_roof_best(b, kind);
    double sample[15];
    if (!best) return 0;
    for (int i = 0; i < COUNT_OF(sample); i++)
        sample[i] = bench_roof_sample(b, best, b->rounds[kind]);
    return sort_median(sample, COUNT_OF(sample));
}
