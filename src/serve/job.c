/* The life of a request (serve/job.h). */
#include "serve/job.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/time.h"
#include "serve/reply.h"
#include <stdio.h>
#include <string.h>

static const char *path_of(const job *j) {
    return j->q.endpoint == API_CHAT         ? "/v1/chat/completions"
           : j->q.endpoint == API_EMBEDDINGS ? "/v1/embeddings"
                                             : "/v1/completions";
}

static void make_id(job *j) {
    const char *kind = j->q.endpoint == API_CHAT         ? "chatcmpl"
                       : j->q.endpoint == API_EMBEDDINGS ? "embd"
                                                         : "cmpl";
    snprintf(j->id, sizeof j->id, "%s-%016llx", kind, (unsigned long long)rng_fresh());
}

static bool bad(arena *mem, api_problem *problem, int code, const char *param,
                const char *message) {
    char *copy = arena_strdup(mem, message);
    *problem = (api_problem){code, copy ? copy : "out of memory", param};
    return false;
}

bool job_encode(arena *mem, const job_encoders *encoders, const api_request *q, int64_t which,
                job_prompt *out, api_problem *problem) {
    const api_prompt *p = q->n_prompts ? &q->prompts[which] : NULL;
    const char *param = q->endpoint == API_EMBEDDINGS ? "input" : p ? "prompt" : "messages";
    if (p && !p->text) {
        *out = (job_prompt){.ids = p->ids, .n_ids = p->n_ids};
        return true;
    }
    token_list ids = {.cx = mem->cx};
    context_clear(encoders->cx);
    status st =
        p ? encoders->text(encoders->user, p->text, p->text_bytes, q->add_special_tokens, &ids)
          : encoders->messages(encoders->user, q, &ids);
    int32_t *copy = st == STATUS_OK ? ARENA_NEW(mem, int32_t, ids.count + 1) : NULL;
    if (copy && ids.count) memcpy(copy, ids.ids, (size_t)ids.count * sizeof *copy);
    *out = (job_prompt){.ids = copy,
                        .n_ids = ids.count,
                        .text = p ? p->text : NULL,
                        .text_bytes = p ? p->text_bytes : 0};
    token_free(&ids);
    if (copy) return true;
    bool memory = st == STATUS_OK || st == STATUS_NO_MEMORY;
    return bad(mem, problem, memory ? 503 : 400, memory ? NULL : param,
               memory ? "not enough memory for this request" : context_error(encoders->cx));
}

static bool check_id(job *j, int32_t id, const char *param, int64_t vocabulary,
                     api_problem *problem) {
    char text[256];
    if (id >= 0 && id < vocabulary) return true;
    snprintf(text, sizeof text, "token %d: the vocabulary is 0 .. %lld", id,
             (long long)vocabulary - 1);
    return bad(&j->mem, problem, 400, param, text);
}

/* Prompts may be given as ids. */
static bool check_ids(job *j, const job_prompt *p, const char *param, int64_t vocabulary,
                      api_problem *problem) {
    for (int64_t i = 0; i < p->n_ids; i++)
        if (!check_id(j, p->ids[i], param, vocabulary, problem)) return false;
    return true;
}

static bool check_biases(job *j, api_problem *problem) {
    const sampling *how = &j->q.sampling;
    for (int64_t i = 0; i < how->n_bias; i++)
        if (!check_id(j, how->bias[i].id, "logit_bias", j->world->vocabulary, problem))
            return false;
    return true;
}

/* A text that becomes a vector. */
static bool check_text(job *j, const job_prompt *p, api_problem *problem) {
    char text[256];
    if (!p->n_ids) return bad(&j->mem, problem, 400, "input", "the input is empty");
    if (!check_ids(j, p, "input", tokenizer_size(j->world->tokens), problem)) return false;
    if (p->n_ids <= j->world->most_context) return true;
    snprintf(text, sizeof text, "an input has %lld tokens; this model takes %lld",
             (long long)p->n_ids, (long long)j->world->most_context);
    return bad(&j->mem, problem, 400, "input", text);
}

static bool check_length(job *j, const job_prompt *p, api_problem *problem) {
    char text[256];
    if (j->q.endpoint == API_EMBEDDINGS) return check_text(j, p, problem);
    int64_t room = j->world->most_context - p->n_ids;
    const char *param = j->q.endpoint == API_CHAT ? "messages" : "prompt";
    if (!p->n_ids)
        return bad(&j->mem, problem, 400, param,
                   "the prompt is empty: there is nothing to continue");
    if (!check_ids(j, p, param, j->world->vocabulary, problem)) return false;
    if (room > 0 && j->q.most_tokens <= room) return true;
    if (room <= 0)
        snprintf(text, sizeof text,
                 "the prompt has %lld tokens; this model's context holds %lld, prompt and answer "
                 "together",
                 (long long)p->n_ids, (long long)j->world->most_context);
    else
        snprintf(text, sizeof text,
                 "max_tokens of %lld and a prompt of %lld tokens are more than this model's "
                 "context of %lld",
                 (long long)j->q.most_tokens, (long long)p->n_ids,
                 (long long)j->world->most_context);
    return bad(&j->mem, problem, 400, room > 0 ? "max_tokens" : param, text);
}

static void on_text(void *user, answer_part part, const char *bytes, int64_t length) {
    reply_piece(user, part, bytes, length);
}
static void on_call(void *user, const char *name, int64_t name_length, const char *arguments,
                    int64_t length) {
    reply_call(user, name, name_length, arguments, length);
}

/* What the prompt ends with, for the reader of answers. */
static status begin_reader(job *j, job_choice *c) {
    const job_prompt *p = c->prompt;
    int64_t last = MIN_OF(p->n_ids, 16);
    text_buffer tail = {.cx = j->cx};
    status st = tokenizer_decode(j->world->tokens, &(decoder){.started = true},
                                 p->ids + p->n_ids - last, last, &tail);
    bool tools = j->q.tools.kind != TEMPLATE_UNDEFINED;
    c->reader = answer_begin(j->cx, j->world->dialect, tools, tail.bytes ? tail.bytes : "",
                             tail.length, (answer_sink){on_text, on_call, c});
    text_free(&tail);
    return st;
}

static bool make_choices(job *j) {
    j->samples = (int32_t)MAX_OF(j->q.n, j->q.best_of);
    j->n_choices = j->n_prompts * j->samples;
    j->choices = ARENA_NEW(&j->mem, job_choice, j->n_choices);
    if (!j->choices) return false;
    for (int32_t i = 0; i < j->n_choices; i++) {
        job_choice *c = &j->choices[i];
        job_prompt *p = &j->prompts[i / j->samples];
        *c = (job_choice){.of = j,
                          .index = i,
                          .sample = i % j->samples,
                          .prompt = p,
                          .content.cx = j->cx,
                          .reasoning.cx = j->cx,
                          .calls.cx = j->cx};
        c->last_token = &c->first_token;
        if (c->sample == 0) p->first_choice = i;
        if (j->q.endpoint == API_CHAT && begin_reader(j, c) != STATUS_OK) return false;
    }
    return true;
}

static bool fill(job *j, const job_encoders *encoders, const api_defaults *defaults,
                 api_endpoint endpoint, api_problem *problem) {
    const http_request *r = http_request_of(j->x);
    if (!api_request_read(&j->mem, endpoint, defaults, r->body, r->body_bytes, &j->q, problem))
        return false;
    if (j->q.model && strcmp(j->q.model, j->world->model)) {
        char text[256];
        snprintf(text, sizeof text,
                 "the model '%.100s' does not exist here; this server has '%.100s'", j->q.model,
                 j->world->model);
        return bad(&j->mem, problem, 404, "model", text);
    }
    if (j->q.dimensions && j->q.dimensions != j->world->width) {
        char text[256];
        snprintf(text, sizeof text, "dimensions of %lld: the vectors of this model have %lld",
                 (long long)j->q.dimensions, (long long)j->world->width);
        return bad(&j->mem, problem, 400, "dimensions", text);
    }
    if (!check_biases(j, problem)) return false;
    make_id(j);
    const char *key = r->authorization, *user = j->world->asks_for_keys ? key : j->q.user;
    j->client = user ? hash_xxh64(user, strlen(user), 0) : 0;
    j->n_prompts = (int32_t)MAX_OF(j->q.n_prompts, 1);
    j->prompts = ARENA_NEW(&j->mem, job_prompt, j->n_prompts);
    if (!j->prompts) return bad(&j->mem, problem, 503, NULL, "not enough memory for this request");
    for (int32_t i = 0; i < j->n_prompts; i++) {
        if (!job_encode(&j->mem, encoders, &j->q, i, &j->prompts[i], problem)) return false;
        if (!check_length(j, &j->prompts[i], problem)) return false;
        j->prompts[i].of = j;
        j->prompt_tokens += j->prompts[i].n_ids;
    }
    return make_choices(j) ||
           bad(&j->mem, problem, 503, NULL, "not enough memory for this request");
}

job *job_new(const job_world *world, const job_encoders *encoders, api_endpoint endpoint,
             const api_defaults *defaults, http_exchange *x, api_problem *problem) {
    static char words[512]; /* outlives the job whose memory held them; HTTP thread only */
    context *cx = context_new();
    job *j = cx ? context_zalloc(cx, sizeof *j) : NULL;
    if (!j) {
        context_free(cx);
        *problem = (api_problem){503, "not enough memory for this request", NULL};
        return NULL;
    }
    *j = (job){.world = world,
               .cx = cx,
               .mem = arena_make(cx),
               .x = x,
               .created = time_unix_seconds(),
               .arrived = time_seconds()};
    http_hold(x);
    if (fill(j, encoders, defaults, endpoint, problem)) return j;
    static char param[64];
    snprintf(words, sizeof words, "%s", problem->message);
    snprintf(param, sizeof param, "%s", problem->param ? problem->param : "");
    problem->message = words;
    problem->param = problem->param ? param : NULL;
    job_free(j);
    return NULL;
}

void job_free(job *j) {
    if (!j) return;
    context *cx = j->cx;
    for (int32_t i = 0; j->choices && i < j->n_choices; i++) {
        job_choice *c = &j->choices[i];
        text_free(&c->content);
        text_free(&c->reasoning);
        text_free(&c->calls);
        if (c->reader.cx) answer_free(&c->reader);
    }
    http_release(j->x);
    arena_free(&j->mem);
    context_release(cx, j);
    context_free(cx);
}

/* ---- on the engine's thread ---- */

static engine_request request_of(job *j, job_prompt *p) {
    const api_request *q = &j->q;
    bool ranks = q->best_of > q->n;
    engine_request r = {.prompt = p->ids,
                        .n_prompt = p->n_ids,
                        .most_tokens = q->most_tokens,
                        .least_tokens = q->least_tokens,
                        .samples = j->samples,
                        .sampling = q->sampling,
                        .stops = q->stops,
                        .n_stops = q->n_stops,
                        .ignore_end = q->ignore_end,
                        .show_special =
                            q->endpoint == API_CHAT && answer_shows_special(j->world->dialect),
                        .logprobs = q->logprobs >= 0 || ranks,
                        .prompt_logprobs = q->echo && q->logprobs >= 0,
                        .likely = (int32_t)MAX_OF(q->logprobs, 0),
                        .priority = q->priority,
                        .client = j->client,
                        .salt = q->cache_salt,
                        .tell = job_tell,
                        .user = p};
    r.sampling.top_k = MAX_OF(q->sampling.top_k, 0); /* -1 is all, as for vLLM */
    if (!q->has_seed) r.sampling.seed = hash_xxh64(j->id, strlen(j->id), 0);
    return r;
}

/* The prompt as text: as it was given, else from its ids. */
static status prompt_text(const job *j, const job_prompt *p, text_buffer *out) {
    decoder d = {0};
    if (p->text) return text_append(out, p->text, p->text_bytes);
    for (int64_t i = 0; i < p->n_ids; i++)
        TRY(tokenizer_stream(j->world->tokens, &d, p->ids[i], out));
    return tokenizer_stream_end(&d, out);
}

/* Echo: the prompt is the first piece of each choice. */
static void echo(job *j, const job_prompt *p) {
    text_buffer text = {.cx = j->cx};
    status st = prompt_text(j, p, &text);
    for (int32_t i = 0; st == STATUS_OK && i < j->samples; i++) {
        job_choice *c = &j->choices[p->first_choice + i];
        if (text.length) reply_piece(c, ANSWER_CONTENT, text.bytes, text.length);
        if (j->q.logprobs >= 0)
            reply_logprobs(c, &(engine_event){.id = p->ids[0], .index = -p->n_ids});
    }
    text_free(&text);
}

bool job_submit(job *j, engine *e) {
    j->submitted = time_seconds();
    metrics_count(j->world->metrics, METRIC_PROMPT_TOKENS, e ? 0 : (double)j->prompt_tokens);
    if (!e) return true;
    for (int32_t i = 0; i < j->n_prompts; i++) {
        engine_request r = request_of(j, &j->prompts[i]);
        status st = engine_submit(e, &r, &j->prompts[i].engine_id);
        if (st == STATUS_OK) continue;
        bool full = st == STATUS_BUSY || st == STATUS_NO_MEMORY;
        for (int32_t k = 0; k < i; k++) engine_cancel(e, j->prompts[k].engine_id);
        j->cancelled = true;
        reply_error(j->x, &(api_problem){full ? 429 : 400,
                                         full ? "the server has no room for this request now"
                                              : context_error(j->world->engine_cx),
                                         NULL});
        return false;
    }
    if (j->q.stream)
        http_stream(j->x, 200, "text/event-stream; charset=utf-8", "cache-control: no-cache\r\n");
    for (int32_t i = 0; j->q.echo && i < j->n_prompts; i++) echo(j, &j->prompts[i]);
    metrics_count(j->world->metrics, METRIC_PROMPT_TOKENS, (double)j->prompt_tokens);
    return true;
}

void job_cancel(job *j, engine *e) {
    j->cancelled = true;
    for (int32_t i = 0; e && i < j->n_prompts; i++) engine_cancel(e, j->prompts[i].engine_id);
    if (!e) job_sum_up(j);
}

void job_fail(job *j, int code, const char *message) {
    j->cancelled = j->failed = true;
    metrics_finished(j->world->metrics, METRIC_ERROR);
    if (j->q.stream) http_end(j->x);
    reply_error(j->x, &(api_problem){code, message, NULL});
}

static void count_token(job *j) {
    metrics *m = j->world->metrics;
    double now = time_seconds();
    metrics_count(m, METRIC_GENERATION_TOKENS, 1);
    if (!(j->first > 0)) {
        j->first = now;
        metrics_observe(m, METRIC_TIME_TO_FIRST, now - j->arrived);
    } else if (j->n_choices == 1) {
        metrics_observe(m, METRIC_INTER_TOKEN, now - j->last);
    }
    j->last = now;
}

void job_sum_up(job *j) {
    metrics *m = j->world->metrics;
    int64_t tokens = 0;
    bool stopped = true;
    for (int32_t i = 0; i < j->n_choices; i++) {
        tokens += j->choices[i].n_tokens;
        stopped = stopped && j->choices[i].finish == ENGINE_STOP;
    }
    double first = j->first > 0 ? j->first : time_seconds();
    metrics_observe(m, METRIC_END_TO_END, time_seconds() - j->arrived);
    metrics_observe(m, METRIC_QUEUE_TIME, j->submitted - j->arrived);
    metrics_observe(m, METRIC_PREFILL_TIME, first - j->submitted);
    metrics_observe(m, METRIC_DECODE_TIME, time_seconds() - first);
    metrics_observe(m, METRIC_REQUEST_PROMPT, (double)j->prompt_tokens);
    metrics_observe(m, METRIC_REQUEST_GENERATION, (double)tokens);
    if (!j->failed)
        metrics_finished(m, j->cancelled ? METRIC_ABORT : stopped ? METRIC_STOP : METRIC_LENGTH);
    log_info("path=%s id=%s request_id=%s status=%s prompt_tokens=%lld tokens=%lld ttft=%.3f "
             "seconds=%.3f",
             path_of(j), j->id, http_request_of(j->x)->request_id, j->cancelled ? "gone" : "200",
             (long long)j->prompt_tokens, (long long)tokens, first - j->arrived,
             time_seconds() - j->arrived);
}

void job_tell(void *user, const engine_event *event) {
    job_prompt *p = user;
    job *j = p->of;
    job_choice *c = &j->choices[p->first_choice + event->sample];
    if (!j->cancelled) {
        if (event->id >= 0 && event->index >= 0) {
            c->n_tokens++;
            count_token(j);
        }
        c->logprob_sum += event->id >= 0 && event->index >= 0 ? event->logprob : 0;
        if (event->text_bytes && j->q.endpoint == API_CHAT)
            (void)!answer_feed(&c->reader, event->text, event->text_bytes);
        else if (event->text_bytes)
            reply_piece(c, ANSWER_CONTENT, event->text, event->text_bytes);
        if (event->id >= 0 && j->q.logprobs >= 0) reply_logprobs(c, event);
    }
    if (event->finish == ENGINE_GOES_ON) return;
    c->finish = event->finish;
    c->done = true;
    j->n_done++;
    if (!j->cancelled && event->finish != ENGINE_CANCELLED) {
        if (j->q.endpoint == API_CHAT) (void)!answer_end(&c->reader);
        reply_finish(c);
    }
    if (!job_done(j)) return;
    if (!j->cancelled && j->q.stream) reply_end_stream(j);
    if (!j->cancelled && !j->q.stream) reply_whole(j);
    job_sum_up(j);
}
