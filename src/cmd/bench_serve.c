/* `hone bench serve URL`: a load on a running server, and how it bore it. */
#include "base/json_write.h"
#include "base/options.h"
#include "base/progress.h"
#include "base/sort.h"
#include "report/plot.h"
#include "serve/load.h"

typedef struct bench_serve_options {
    int64_t streams, requests, vocabulary, seed;
    double rate, timeout, first, token;
    const char *prompt, *output, *model, *key, *out;
    bool json;
} bench_serve_options;

static const option_def options[] = {
    OPTION(bench_serve_options, streams, OPTION_INT, .initial = "8", RANGE(1, 10000),
           .help = "closed loop: so many clients, each sending its next request when the last is "
                   "answered"),
    OPTION(bench_serve_options, rate, OPTION_DOUBLE, .initial = "0", RANGE(0, 1e5),
           .help =
               "open loop: requests a second, arriving at random (Poisson), instead of --streams"),
    OPTION(bench_serve_options, requests, OPTION_INT, .initial = "0", RANGE(0, 10000000),
           .help = "how many in all, 0 for four times the streams (open loop: 100)"),
    OPTION(bench_serve_options, prompt, OPTION_STRING, .initial = "128", .value = "LENGTH",
           .help = "tokens of a prompt: 128, uniform:64-256, lognormal:161, exponential:338"),
    OPTION(bench_serve_options, output, OPTION_STRING, .initial = "64", .value = "LENGTH",
           .help = "tokens asked for, as for --prompt"),
    OPTION(bench_serve_options, vocabulary, OPTION_INT, .initial = "256", RANGE(2, 10000000),
           .help = "prompts are random ids below this"),
    OPTION(
        bench_serve_options, first, OPTION_DURATION, .initial = "0",
        .help =
            "target for the time to the first token; requests within the targets are the goodput"),
    OPTION(bench_serve_options, token, OPTION_DURATION, .initial = "0",
           .help = "target for the mean time of each further token"),
    OPTION(bench_serve_options, timeout, OPTION_DURATION, .initial = "10m", RANGE_ABOVE(0, 86400),
           .help = "a request that takes longer has failed"),
    OPTION(bench_serve_options, model, OPTION_STRING,
           .help = "model to ask for; the first that the server lists"),
    OPTION(bench_serve_options, key, OPTION_STRING, .help = "API key"),
    OPTION(bench_serve_options, seed, OPTION_INT, .initial = "1", RANGE(0, 1e15),
           .help = "of prompts, lengths and arrivals"),
    OPTION(bench_serve_options, out, OPTION_STRING, .letter = 'o', .value = "FILE",
           .help = "an .svg or .png file: how long the quickest share of requests took at most"),
    OPTION(bench_serve_options, json, OPTION_BOOL, .help = "print one JSON object"),
    {0}};

enum { FIRST, TOKEN, GAP, LATENCY, SERIES };
static const char *const series_names[SERIES] = {"ttft_seconds", "tpot_seconds", "itl_seconds",
                                                 "e2e_seconds"};
static const char *const series_words[SERIES] = {"time to first token", "time per token",
                                                 "between tokens", "whole request"};
enum { MEAN, P50, P95, P99, MOST, FIGURES };
static const char *const figure_names[FIGURES] = {"mean", "p50", "p95", "p99", "max"};

typedef struct summary {
    double *series[SERIES]; /* ascending */
    int64_t n[SERIES];
    double figure[SERIES][FIGURES];
    int64_t failed, good, prompt_tokens, tokens;
    const char *error; /* the first */
} summary;

static void summarise(double *x, int64_t n, double out[FIGURES]) {
    static const double at[] = {[P50] = 0.5, [P95] = 0.95, [P99] = 0.99};
    double sum = 0;
    if (!n) return;
    sort_numbers(x, n);
    for (int64_t i = 0; i < n; i++) sum += x[i];
    out[MEAN] = sum / (double)n;
    for (int f = P50; f <= P99; f++) out[f] = x[MIN_OF((int64_t)(at[f] * (double)n), n - 1)];
    out[MOST] = x[n - 1];
}

static status sum_up(const verb_call *call, load_result *r, summary *s) {
    const bench_serve_options *o = call->options;
    double **series = s->series;
    int64_t n = 0;
    *s = (summary){.series = {[GAP] = r->gaps}};
    for (int i = 0; i < SERIES; i++)
        if (i != GAP && !(series[i] = ARENA_NEW(call->memory, double, MAX_OF(r->n_records, 1))))
            return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < r->n_records; i++) {
        const load_record *d = &r->records[i];
        if (d->error) {
            s->failed++;
            if (!s->error) s->error = d->error;
            continue;
        }
        series[FIRST][n] = d->first - d->began;
        series[TOKEN][n] = d->tokens > 1 ? (d->ended - d->first) / (double)(d->tokens - 1) : 0;
        series[LATENCY][n] = d->ended - d->began;
        s->good += (o->first <= 0 || series[FIRST][n] <= o->first) &&
                   (o->token <= 0 || series[TOKEN][n] <= o->token);
        s->prompt_tokens += d->prompt_tokens;
        s->tokens += d->tokens;
        n++;
    }
    for (int i = 0; i < SERIES; i++) {
        s->n[i] = i == GAP ? r->n_gaps : n;
        summarise(series[i], s->n[i], s->figure[i]);
    }
    return STATUS_OK;
}

static status put_json(const verb_call *call, const load_result *r, const summary *s) {
    json_writer w = json_writer_to_file(call->cx, call->out, 0);
    json_write_object(&w);
    json_write_integer_field(&w, "requests", r->n_records);
    json_write_integer_field(&w, "failed", s->failed);
    json_write_number_field(&w, "seconds", r->seconds);
    json_write_integer_field(&w, "prompt_tokens", s->prompt_tokens);
    json_write_integer_field(&w, "generated_tokens", s->tokens);
    json_write_number_field(&w, "generated_tokens_per_second", (double)s->tokens / r->seconds);
    json_write_number_field(&w, "requests_per_second",
                            (double)(r->n_records - s->failed) / r->seconds);
    json_write_number_field(&w, "goodput_per_second", (double)s->good / r->seconds);
    for (int i = 0; i < SERIES; i++) {
        json_write_key(&w, series_names[i]);
        json_write_object(&w);
        for (int f = 0; f < FIGURES; f++)
            json_write_number_field(&w, figure_names[f], s->figure[i][f]);
        json_write_object_end(&w);
    }
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

static void put_table(const verb_call *call, const load_result *r, const summary *s) {
    FILE *out = call->out;
    fprintf(out,
            "%lld requests in %.1f s, %lld failed; %.1f generated tokens/s, %.2f requests/s, "
            "goodput %.2f requests/s\n",
            (long long)r->n_records, r->seconds, (long long)s->failed,
            (double)s->tokens / r->seconds, (double)(r->n_records - s->failed) / r->seconds,
            (double)s->good / r->seconds);
    fprintf(out, "%-22s", "seconds");
    for (int f = 0; f < FIGURES; f++) fprintf(out, "%10s", figure_names[f]);
    fputc('\n', out);
    for (int i = 0; i < SERIES; i++) {
        fprintf(out, "%-22s", series_words[i]);
        for (int f = 0; f < FIGURES; f++) fprintf(out, "%10.4f", s->figure[i][f]);
        fputc('\n', out);
    }
}

/* Quantiles, at most a few hundred points of each. */
static status draw(const verb_call *call, const summary *s) {
    enum { POINTS = 256 };
    const bench_serve_options *o = call->options;
    plot_curve curves[SERIES];
    for (int i = 0; i < SERIES; i++) {
        int64_t points = MIN_OF(s->n[i], POINTS);
        double *x = ARENA_NEW(call->memory, double, POINTS);
        double *y = ARENA_NEW(call->memory, double, POINTS);
        if (!x || !y) return STATUS_NO_MEMORY;
        for (int64_t k = 0; k < points; k++) {
            int64_t at = points > 1 ? k * (s->n[i] - 1) / (points - 1) : 0;
            x[k] = 100 * (double)(at + 1) / (double)s->n[i];
            y[k] = s->series[i][at];
        }
        curves[i] = (plot_curve){.name = series_words[i], .number = i, .x = x, .y = y, .n = points};
    }
    plot p = {.title = "seconds at most, logarithmic",
              .curves = curves,
              .n_curves = SERIES,
              .logarithmic = true,
              .x_name = "per cent of requests, or of tokens"};
    return plot_file(call->cx, &p, o->out);
}

static void on_progress(void *user, int64_t done) {
    progress_show(user, done, NULL);
}

static status run(const verb_call *call) {
    const bench_serve_options *o = call->options;
    bool open = o->rate > 0;
    progress p;
    load_options l = {.url = call->args[0],
                      .key = o->key,
                      .model = o->model,
                      .streams = open ? 0 : o->streams,
                      .rate = o->rate,
                      .requests = o->requests ? o->requests
                                  : open      ? 100
                                              : 4 * o->streams,
                      .vocabulary = o->vocabulary,
                      .seed = (uint64_t)o->seed,
                      .timeout_seconds = o->timeout,
                      .progress = on_progress,
                      .user = &p};
    load_result r;
    summary s;
    TRY(load_lengths_read(call->cx, "prompt", o->prompt, &l.prompt));
    TRY(load_lengths_read(call->cx, "output", o->output, &l.output));
    if (o->out) TRY(plot_file_name(call->cx, o->out));
    progress_begin(&p, "requests", l.requests);
    status st = load_run(call->cx, call->memory, &l, &r);
    progress_end(&p);
    TRY(st);
    TRY(sum_up(call, &r, &s));
    if (o->json)
        TRY(put_json(call, &r, &s));
    else
        put_table(call, &r, &s);
    if (o->out && s.failed < r.n_records) TRY(draw(call, &s));
    if (s.failed)
        FAIL(call->cx, STATUS_IO, "%lld requests failed, the first one so: %s", (long long)s.failed,
             s.error);
    return STATUS_OK;
}

extern const verb_def verb_bench_serve;
const verb_def verb_bench_serve = {
    .name = "bench serve",
    .summary = "put a load on a running server and measure how it bears it",
    .example = "hone bench serve http://127.0.0.1:8080",
    .help =
        "URL is the server's, as in http://127.0.0.1:8080; any server that speaks OpenAI's "
        "completions will do.\n"
        "Prompts are lists of random token ids, all distinct, so that no cache of prefixes helps.",
    .positional = "URL",
    .min_args = 1,
    .max_args = 1,
    .options_bytes = sizeof(bench_serve_options),
    .options = options,
    .run = run};
