/* The engine's side of the server, and the queue (serve/server.h). */
#include "serve/server.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/time.h"
#include "serve/reply.h"
#include "serve/server_parts.h"
#include <string.h>

/* ---- the queue: jobs and departures, oldest first ---- */

bool server_put(server *s, job *j) {
    pthread_mutex_lock(&s->lock);
    bool fits = s->n_jobs < s->options.most_jobs && !s->draining;
    if (fits) {
        job **end = &s->arrived;
        while (*end) end = &(*end)->next;
        *end = j;
        s->n_jobs++;
        pthread_cond_signal(&s->news);
    }
    pthread_mutex_unlock(&s->lock);
    return fits;
}

/* The exchange itself is remembered, since its job may be over by the time this is read. */
void server_put_gone(server *s, http_exchange *x) {
    pthread_mutex_lock(&s->lock);
    if (s->n_gone == s->cap_gone) {
        int64_t capacity = MAX_OF(64, 2 * s->cap_gone);
        http_exchange **list = context_alloc(s->cx, (size_t)capacity * sizeof(*list));
        if (list) {
            if (s->n_gone) memcpy(list, s->gone, (size_t)s->n_gone * sizeof(*list));
            context_release(s->cx, s->gone);
            s->gone = list;
            s->cap_gone = capacity;
        }
    }
    if (s->n_gone < s->cap_gone) {
        http_hold(x);
        s->gone[s->n_gone++] = x;
    }
    pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->lock);
}

static job *take_arrived(server *s) {
    pthread_mutex_lock(&s->lock);
    job *j = s->arrived;
    s->arrived = NULL;
    pthread_mutex_unlock(&s->lock);
    return j;
}

static http_exchange *take_gone(server *s) {
    pthread_mutex_lock(&s->lock);
    http_exchange *x = s->n_gone ? s->gone[--s->n_gone] : NULL;
    pthread_mutex_unlock(&s->lock);
    return x;
}

/* ---- the engine's thread ---- */

static bool is_busy(const server *s) {
    return s->model.engine ? engine_busy(s->model.engine) : embed_busy(s->running);
}

static void finish_job(server *s, job *j) {
    job_free(j);
    pthread_mutex_lock(&s->lock);
    s->n_jobs--;
    pthread_mutex_unlock(&s->lock);
}

static void submit_arrived(server *s) {
    for (job *j = take_arrived(s), *next; j; j = next) {
        next = j->next;
        if (http_is_gone(j->x)) {
            metrics_finished(&s->metrics, METRIC_ABORT);
            finish_job(s, j);
        } else if (job_submit(j, s->model.engine) || is_busy(s)) {
            /* parts of one that was refused may be with the engine still, to be told that they are cancelled */
            j->next = s->running;
            s->running = j;
        } else {
            finish_job(s, j);
        }
    }
}

static void cancel_gone(server *s) {
    for (http_exchange *x; (x = take_gone(s)); http_release(x))
        for (job *j = s->running; j; j = j->next)
            if (j->x == x && !j->cancelled) job_cancel(j, s->model.engine);
}

static void cancel_late(server *s) {
    if (!(s->options.timeout_seconds > 0)) return;
    double oldest = time_seconds() - s->options.timeout_seconds;
    for (job *j = s->running; j; j = j->next)
        if (!j->cancelled && j->arrived < oldest) {
            job_cancel(j, s->model.engine);
            job_fail(j, 504, "the request took longer than this server allows");
        }
}

static void free_done(server *s) {
    for (job **at = &s->running; *at;) {
        job *j = *at;
        if (job_done(j) || (j->cancelled && !(s->model.engine && is_busy(s)))) {
            *at = j->next;
            finish_job(s, j);
        } else {
            at = &j->next;
        }
    }
}

static void measure(server *s, const engine_stats *before) {
    engine_stats now = engine_look(s->model.engine);
    metrics *m = &s->metrics;
    int64_t tokens =
        now.prompt_tokens + now.drawn_tokens - before->prompt_tokens - before->drawn_tokens;
    if (now.steps > before->steps) metrics_observe(m, METRIC_ITERATION_TOKENS, (double)tokens);
    metrics_count(m, METRIC_PREEMPTIONS, (double)(now.sent_back - before->sent_back));
    metrics_count(m, METRIC_PREFIX_QUERIES, (double)(now.prefix_asked - before->prefix_asked));
    metrics_count(m, METRIC_PREFIX_HITS, (double)(now.prefix_found - before->prefix_found));
    metrics_count(m, METRIC_DRAFT_TOKENS, (double)(now.guessed - before->guessed));
    metrics_count(m, METRIC_ACCEPTED_TOKENS, (double)(now.accepted - before->accepted));
    metrics_set(m, METRIC_RUNNING, (double)now.running);
    metrics_set(m, METRIC_WAITING, (double)now.waiting);
    metrics_set(m, METRIC_KV_USAGE, now.pages ? (double)now.pages_used / (double)now.pages : 0);
}

/* Waits for news while nothing runs. False: drained. */
static bool wait_for_work(server *s) {
    pthread_mutex_lock(&s->lock);
    while (!s->arrived && !s->n_gone && !s->draining) pthread_cond_wait(&s->news, &s->lock);
    bool more = s->arrived || s->n_gone || !s->draining;
    pthread_mutex_unlock(&s->lock);
    return more;
}

static void fail_all(server *s) {
    submit_arrived(s);
    for (job *j = s->running; j; j = j->next)
        if (!j->cancelled) job_fail(j, 500, "the engine failed; the server is going down");
}

static status step(server *s) {
    if (!s->model.engine) return embed_step(s->running, s->model.embedder, &s->space);
    engine_stats before = engine_look(s->model.engine);
    status st = engine_step(s->model.engine);
    measure(s, &before);
    return st;
}

status server_run(server *s) {
    status st = STATUS_OK;
    atomic_store(&s->is_ready, true);
    while (st == STATUS_OK) {
        submit_arrived(s);
        cancel_gone(s);
        cancel_late(s);
        if (is_busy(s)) {
            st = step(s);
            free_done(s);
        } else {
            free_done(s);
            if (!wait_for_work(s)) break;
        }
    }
    atomic_store(&s->is_ready, false);
    server_drain(s);
    if (st != STATUS_OK) {
        log_error("the engine failed: %s", context_error(s->model.engine_cx));
        fail_all(s);
    }
    /* what is answered still has to reach the clients, who may read slowly or not at all */
    for (double until = time_seconds() + 5; http_pending(s->http) && time_seconds() < until;)
        time_sleep_ns(2000000);
    return st;
}

/* ---- from other threads ---- */

void server_drain(server *s) {
    pthread_mutex_lock(&s->lock);
    s->draining = true;
    pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->lock);
}

void server_reload(server *s) {
    pthread_mutex_lock(&s->lock);
    s->reload = true;
    pthread_mutex_unlock(&s->lock);
    http_poke(s->http);
}

int server_port(const server *s) {
    return http_port(s->http);
}

static void *run_http(void *arg) {
    pool_stay_clear();
    http_run(((server *)arg)->http);
    return NULL;
}

status server_open(context *cx, const server_model *m, const server_options *o, server **out) {
    *out = NULL;
    server *s = context_zalloc(cx, sizeof *s);
    if (!s) return STATUS_NO_MEMORY;
    *s = (server){.cx = cx, .model = *m, .options = *o, .opened = time_unix_seconds()};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->news, NULL);
    metrics_open(&s->metrics);
    status st = m->engine ? STATUS_OK : embed_space_make(cx, m->embedder, &s->space);
    if (st == STATUS_OK) st = server_set_up_web(s);
    if (st == STATUS_OK) st = http_open(cx, &s->options.http, &s->http);
    if (st == STATUS_OK && pthread_create(&s->thread, NULL, run_http, s))
        st = context_fail(cx, STATUS_IO, "cannot start the HTTP thread");
    s->has_thread = st == STATUS_OK;
    if (st == STATUS_OK)
        *out = s;
    else
        server_close(s);
    return st;
}

static void free_jobs(job *j) {
    for (job *next; j; j = next) {
        next = j->next;
        job_free(j);
    }
}

void server_close(server *s) {
    if (!s) return;
    if (s->has_thread) {
        http_stop(s->http);
        pthread_join(s->thread, NULL);
    }
    free_jobs(take_arrived(s));
    free_jobs(s->running);
    for (http_exchange *x; (x = take_gone(s));) http_release(x);
    http_close(s->http);
    context_release(s->cx, s->gone);
    embed_space_free(s->cx, &s->space);
    server_free_web(s);
    metrics_close(&s->metrics);
    pthread_cond_destroy(&s->news);
    pthread_mutex_destroy(&s->lock);
    context_release(s->cx, s);
}
