/* What a server counts, written in Prometheus' text format with the names that vLLM gave them, so that
 * dashboards made for it work. Everything is under one lock and cheap enough to be counted at every
 * token. */
#ifndef SERVE_METRICS_H
#define SERVE_METRICS_H

#include "base/arena.h"
#include <pthread.h>

typedef enum metric_counter {
    METRIC_PROMPT_TOKENS,
    METRIC_GENERATION_TOKENS,
    METRIC_PREFIX_QUERIES,
    METRIC_PREFIX_HITS,
    METRIC_PREEMPTIONS,
    METRIC_DRAFT_TOKENS,
    METRIC_ACCEPTED_TOKENS,
    METRIC_COUNTERS
} metric_counter;

typedef enum metric_gauge {
    METRIC_RUNNING,
    METRIC_WAITING,
    METRIC_KV_USAGE,
    METRIC_GAUGES
} metric_gauge;

typedef enum metric_histogram {
    METRIC_TIME_TO_FIRST,
    METRIC_INTER_TOKEN,
    METRIC_END_TO_END,
    METRIC_QUEUE_TIME,
    METRIC_PREFILL_TIME,
    METRIC_DECODE_TIME,
    METRIC_ITERATION_TOKENS,
    METRIC_REQUEST_PROMPT,
    METRIC_REQUEST_GENERATION,
    METRIC_HISTOGRAMS
} metric_histogram;

/* How requests end. */
typedef enum metric_reason {
    METRIC_STOP,
    METRIC_LENGTH,
    METRIC_ABORT,
    METRIC_ERROR,
    METRIC_REASONS
} metric_reason;

enum { METRIC_MOST_BUCKETS = 24 };

typedef struct metrics {
    pthread_mutex_t lock;
    double counters[METRIC_COUNTERS], gauges[METRIC_GAUGES], reasons[METRIC_REASONS];
    struct {
        double buckets[METRIC_MOST_BUCKETS + 1], sum; /* not yet added up; the last is +Inf */
    } histograms[METRIC_HISTOGRAMS];
} metrics;

void metrics_open(metrics *m);
void metrics_close(metrics *m);
void metrics_count(metrics *m, metric_counter which, double more);
void metrics_set(metrics *m, metric_gauge which, double value);
void metrics_observe(metrics *m, metric_histogram which, double value);
void metrics_finished(metrics *m, metric_reason reason);
/* The whole page; NULL when memory is short. `model` is the label model_name. */
char *metrics_page(metrics *m, arena *a, const char *model, int64_t *size_bytes);

#endif
