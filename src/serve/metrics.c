/* The tables behind /metrics (serve/metrics.h). The page follows Prometheus' exposition format, version 0.0.4. */
#include "serve/metrics.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct described {
    const char *name, *help;
} described;

static const described counters[METRIC_COUNTERS] = {
    [METRIC_PROMPT_TOKENS] = {"prompt_tokens_total", "Number of prefill tokens processed."},
    [METRIC_GENERATION_TOKENS] = {"generation_tokens_total",
                                  "Number of generation tokens processed."},
    [METRIC_PREFIX_QUERIES] = {"prefix_cache_queries_total",
                               "Tokens looked for in the prefix cache."},
    [METRIC_PREFIX_HITS] = {"prefix_cache_hits_total", "Tokens found in the prefix cache."},
    [METRIC_PREEMPTIONS] = {"num_preemptions_total",
                            "Times that a running request gave up its pages."},
    [METRIC_DRAFT_TOKENS] = {"spec_decode_num_draft_tokens_total",
                             "Tokens drafted by speculation."},
    [METRIC_ACCEPTED_TOKENS] = {"spec_decode_num_accepted_tokens_total",
                                "Drafted tokens that were accepted."}};

static const described gauges[METRIC_GAUGES] = {
    [METRIC_RUNNING] = {"num_requests_running", "Requests that are being worked on."},
    [METRIC_WAITING] = {"num_requests_waiting", "Requests that wait for their turn."},
    [METRIC_KV_USAGE] = {"kv_cache_usage_perc", "Share of the KV pages in use, 1 is all."}};

#define SECONDS                                                                                    \
    {                                                                                              \
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20,  \
            40, 80, 160, 640, 2560                                                                 \
    }
#define LONG_SECONDS                                                                               \
    { 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680 }
#define TOKENS                                                                                     \
    { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000 }
#define STEP_TOKENS                                                                                \
    { 1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384 }

static const struct {
    described is;
    double upto[METRIC_MOST_BUCKETS]; /* closed by 0 */
} histograms[METRIC_HISTOGRAMS] = {
    [METRIC_TIME_TO_FIRST] = {{"time_to_first_token_seconds", "Time to the first token."}, SECONDS},
    [METRIC_INTER_TOKEN] = {{"inter_token_latency_seconds", "Time from one token to the next."},
                            {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
                             5, 7.5, 10, 20, 40, 80}},
    [METRIC_END_TO_END] = {{"e2e_request_latency_seconds", "Time from arrival to the end."},
                           LONG_SECONDS},
    [METRIC_QUEUE_TIME] = {{"request_queue_time_seconds", "Time spent waiting."}, LONG_SECONDS},
    [METRIC_PREFILL_TIME] = {{"request_prefill_time_seconds", "Time spent reading the prompt."},
                             LONG_SECONDS},
    [METRIC_DECODE_TIME] = {{"request_decode_time_seconds", "Time spent generating."},
                            LONG_SECONDS},
    [METRIC_ITERATION_TOKENS] = {{"iteration_tokens_total", "Tokens of one step of the engine."},
                                 STEP_TOKENS},
    [METRIC_REQUEST_PROMPT] = {{"request_prompt_tokens", "Tokens of a prompt."}, TOKENS},
    [METRIC_REQUEST_GENERATION] = {{"request_generation_tokens", "Tokens generated for a request."},
                                   TOKENS}};

static const char *const reasons[METRIC_REASONS] = {"stop", "length", "abort", "error"};

void metrics_open(metrics *m) {
    *m = (metrics){0};
    pthread_mutex_init(&m->lock, NULL);
}
void metrics_close(metrics *m) {
    pthread_mutex_destroy(&m->lock);
}

static void add(metrics *m, double *to, double more) {
    pthread_mutex_lock(&m->lock);
    *to += more;
    pthread_mutex_unlock(&m->lock);
}
void metrics_count(metrics *m, metric_counter which, double more) {
    add(m, &m->counters[which], more);
}
void metrics_finished(metrics *m, metric_reason reason) {
    add(m, &m->reasons[reason], 1);
}
void metrics_set(metrics *m, metric_gauge which, double value) {
    pthread_mutex_lock(&m->lock);
    m->gauges[which] = value;
    pthread_mutex_unlock(&m->lock);
}
void metrics_observe(metrics *m, metric_histogram which, double value) {
    const double *upto = histograms[which].upto;
    int32_t i = 0;
    while (i < METRIC_MOST_BUCKETS && upto[i] > 0 && value > upto[i]) i++;
    if (i < METRIC_MOST_BUCKETS && !(upto[i] > 0)) i = METRIC_MOST_BUCKETS;
    pthread_mutex_lock(&m->lock);
    m->histograms[which].buckets[i]++;
    m->histograms[which].sum += value;
    pthread_mutex_unlock(&m->lock);
}

/* ---- the page ---- */

/* A label's value: backslashes, quotes and newlines are escaped. */
static char *label_of(arena *a, const char *text) {
    char *out = arena_alloc(a, 2 * strlen(text) + 1), *at = out;
    if (!out) return NULL;
    for (; *text; text++) {
        if (*text == '\\' || *text == '"' || *text == '\n') *at++ = '\\';
        *at++ = *text == '\n' ? 'n' : *text;
    }
    *at = 0;
    return out;
}

static void put_head(FILE *f, const described *d, const char *type) {
    fprintf(f, "# HELP vllm:%s %s\n# TYPE vllm:%s %s\n", d->name, d->help, d->name, type);
}

static void put_histogram(FILE *f, const metrics *m, int32_t h, const char *model) {
    const char *name = histograms[h].is.name;
    double total = 0;
    put_head(f, &histograms[h].is, "histogram");
    for (int32_t i = 0; i <= METRIC_MOST_BUCKETS; i++) {
        bool last = i == METRIC_MOST_BUCKETS;
        if (!last && !(histograms[h].upto[i] > 0)) continue;
        total += m->histograms[h].buckets[i];
        char upto[32] = "+Inf";
        if (!last) snprintf(upto, sizeof upto, "%g", histograms[h].upto[i]);
        fprintf(f, "vllm:%s_bucket{le=\"%s\",model_name=\"%s\"} %.0f\n", name, upto, model, total);
    }
    fprintf(f, "vllm:%s_sum{model_name=\"%s\"} %.9g\n", name, model, m->histograms[h].sum);
    fprintf(f, "vllm:%s_count{model_name=\"%s\"} %.0f\n", name, model, total);
}

static void put_page(FILE *f, const metrics *m, const char *model) {
    for (int32_t i = 0; i < METRIC_GAUGES; i++) {
        put_head(f, &gauges[i], "gauge");
        fprintf(f, "vllm:%s{model_name=\"%s\"} %.9g\n", gauges[i].name, model, m->gauges[i]);
    }
    for (int32_t i = 0; i < METRIC_COUNTERS; i++) {
        put_head(f, &counters[i], "counter");
        fprintf(f, "vllm:%s{model_name=\"%s\"} %.0f\n", counters[i].name, model, m->counters[i]);
    }
    put_head(
        f, &(described){"request_success_total", "Requests that came to an end, by how they did."},
        "counter");
    for (int32_t i = 0; i < METRIC_REASONS; i++)
        fprintf(f, "vllm:request_success_total{finished_reason=\"%s\",model_name=\"%s\"} %.0f\n",
                reasons[i], model, m->reasons[i]);
    for (int32_t h = 0; h < METRIC_HISTOGRAMS; h++) put_histogram(f, m, h, model);
}

char *metrics_page(metrics *m, arena *a, const char *model, int64_t *size_bytes) {
    enum { ROOM = 64 << 10 };
    const char *label = label_of(a, model);
    size_t room = ROOM + (label ? strlen(label) : 0) * 400;
    char *page = label ? arena_alloc(a, room) : NULL;
    FILE *f = page ? fmemopen(page, room, "w") : NULL;
    if (!f) return NULL;
    pthread_mutex_lock(&m->lock);
    put_page(f, m, label);
    pthread_mutex_unlock(&m->lock);
    *size_bytes = ftell(f);
    return fclose(f) ? NULL : page;
}
