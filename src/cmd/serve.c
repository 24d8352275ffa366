/* `hone serve MODEL`: OpenAI's API and a chat page over one model. */
#include "base/footprint.h"
#include "base/log.h"
#include "base/options.h"
#include "cmd/kit/guess.h"
#include "cmd/kit/plan.h"
#include "cmd/kit/run.h"
#include "infer/chat.h"
#include "infer/fits.h"
#include "serve/answer.h"
#include "serve/server.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>

typedef struct serve_options {
    const char *host, *name, *keys, *certificate, *key, *cors, *policy, *tools;
    int64_t port, context, sequences, step_tokens, kv_tokens, page, threads;
    int64_t most_requests, most_connections, most_body;
    double timeout, idle, step_time;
    int kv_format, act;
    bool prefix_cache, embed, plan;
    guess_options guess;
} serve_options;

static const option_def options[] = {
    OPTION(serve_options, host, OPTION_STRING, .initial = "127.0.0.1",
           .help = "address to listen on; 0.0.0.0 for all"),
    OPTION(serve_options, port, OPTION_INT, .initial = "8080", RANGE(0, 65535),
           .help = "port to listen on; 0: one that is free"),
    OPTION(serve_options, name, OPTION_STRING,
           .help = "what the model is called in the API; its file's name"),
    OPTION(serve_options, context, OPTION_INT, .initial = "0", RANGE(0, 1e9),
           .help =
               "tokens of a prompt and its answer together; 0: what the model can, at most 8192"),
    OPTION(serve_options, sequences, OPTION_INT, .initial = "32", RANGE(1, 4096),
           .help = "most that are worked on in one step"),
    OPTION(serve_options, step_tokens, OPTION_INT, .initial = "512", RANGE(1, 65536),
           .help = "most tokens of one step: decodes, and chunks of prompts in what is left"),
    OPTION(serve_options, kv_tokens, OPTION_INT, .initial = "0", RANGE(0, 1e12),
           .help = "tokens that the cache of keys and values holds in all; 0: a context for each "
                   "sequence, within memory"),
    OPTION(serve_options, kv_format, OPTION_CHOICE, .choices = run_kv_formats,
           .help = "format of keys and values"),
    OPTION(serve_options, act, OPTION_CHOICE, .choices = run_acts,
           .help = "what meets quantised weights: bf16, or int8 in blocks of 32; auto is int8. "
                   "int8_row: both sides of all layers' products in int8"),
    OPTION(serve_options, page, OPTION_INT, .initial = "16", RANGE(1, 1024),
           .help = "tokens in a page of the cache"),
    OPTION(serve_options, prefix_cache, OPTION_BOOL, .initial = "true",
           .help = "keep keys and values of what was answered, for requests that begin alike"),
    OPTION(serve_options, policy, OPTION_STRING, .initial = "first_come",
           .help = "who goes first among those that wait: first_come; priority, the smallest of "
                   "their requests first; fair, the user who was served least, by key or else by "
                   "the field user"),
    OPTION(serve_options, step_time, OPTION_DURATION, .initial = "0", RANGE(0, 3600),
           .help = "prompts are cut so that answers under way wait for no step longer than this; "
                   "0: than 2.5 steps without prompts, or more where much waits"),
    GUESS_OPTIONS(serve_options),
    OPTION(serve_options, plan, OPTION_BOOL,
           .help = "measure this machine first, for some seconds, and tell at the end how long the "
                   "steps should have taken beside how long they took"),
    OPTION(serve_options, embed, OPTION_BOOL,
           .help = "make vectors of texts (/v1/embeddings) with a model that could write too"),
    OPTION(serve_options, tools, OPTION_STRING,
           .help = "dialect of tool calls: hermes, llama3, mistral, harmony, plain; as the chat "
                   "template tells"),
    OPTION(serve_options, threads, OPTION_INT, .initial = "0", RANGE(0, 1024),
           .help = "threads, 0 for all that can run at once"),
    OPTION(serve_options, keys, OPTION_STRING, .value = "FILE",
           .help = "file of API keys, one a line; none: no key is asked for"),
    OPTION(serve_options, certificate, OPTION_STRING, .value = "FILE",
           .help = "certificate (PEM), for TLS"),
    OPTION(serve_options, key, OPTION_STRING, .value = "FILE", .help = "its private key (PEM)"),
    OPTION(serve_options, cors, OPTION_STRING, .value = "ORIGIN",
           .help = "origin whose pages may call, * for any"),
    OPTION(serve_options, most_requests, OPTION_INT, .initial = "1024", RANGE(1, 1e6),
           .help = "requests that may wait or run at once; beyond, 429"),
    OPTION(serve_options, most_connections, OPTION_INT, .initial = "4096", RANGE(1, 60000),
           .help = "connections at once"),
    OPTION(serve_options, most_body, OPTION_SIZE, .initial = "16M", RANGE(1024, 1 << 30),
           .help = "largest body of a request"),
    OPTION(serve_options, timeout, OPTION_DURATION, .initial = "0", RANGE(0, 1e7),
           .help = "longest that a request may take; 0: for ever"),
    OPTION(serve_options, idle, OPTION_DURATION, .initial = "60s", RANGE(1, 86400),
           .help = "a connection that says nothing is closed after"),
    {0}};

/* Everything that one server needs, in the order in which it is opened. */
typedef struct serving {
    const verb_call *call;
    context *web_cx;
    model *model;
    tokenizer *tokens;
    chat *chat;
    guess_draft draft;
    engine *engine;
    embedder *embedder;
    server *server;
    pthread_t signals;
    bool has_signals;
    machine here;                          /* as measured, under --plan */
    double planned_seconds, taken_seconds; /* of all steps */
    int64_t before_bytes,
        planned_bytes; /* of memory: before the model; of the engine, as planned */
} serving;

/* SIGINT and SIGTERM drain, a second one stops at once; SIGHUP reloads. All threads have them blocked. */
static sigset_t handled_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1); /* the verb's own: it is over */
    return set;
}

static void *watch_signals(void *arg) {
    serving *s = arg;
    sigset_t set = handled_signals();
    int which, asked = 0;
    while (!sigwait(&set, &which) && which != SIGUSR1) {
        if (which == SIGHUP) {
            server_reload(s->server);
        } else if (asked++) {
            log_warning("stopped at once");
            signal(SIGTERM, SIG_DFL);
            sigset_t term;
            sigemptyset(&term);
            sigaddset(&term, SIGTERM);
            pthread_sigmask(SIG_UNBLOCK, &term, NULL);
            raise(SIGTERM);
        } else {
            log_info("finishing what is running; once more to stop at once");
            server_drain(s->server);
        }
    }
    return NULL;
}

static const char *file_name(const char *path, arena *mem) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    char *copy = arena_strndup(mem, path, n), *slash = copy ? strrchr(copy, '/') : NULL;
    return slash && slash[1] ? slash + 1 : copy;
}

static status check(const verb_call *call) {
    const serve_options *o = call->options;
    if (!o->certificate != !o->key)
        FAIL(call->cx, STATUS_BAD_ARGUMENT,
             "--certificate and --key belong together: give both, or neither");
    if (o->tools && !answer_dialect_named(o->tools))
        FAIL(call->cx, STATUS_BAD_ARGUMENT,
             "--tools '%s': known are hermes, llama3, mistral, harmony, think and plain", o->tools);
    return STATUS_OK;
}

static status measure(serving *s) {
    const serve_options *o = s->call->options;
    TRY(plan_measure_machine(s->call->cx, o->threads, &s->here));
    TRY(plan_calibrate_serve(s->call, &s->here, plan_main_format(s->model), run_acts[o->act]));
    s->before_bytes = footprint_bytes(); /* measuring is no part of it */
    footprint_forget_peak();
    return STATUS_OK;
}

static void see_step(void *user, const struct plan *p, double seconds) {
    serving *s = user;
    graph_cost cost;
    cost_of_plan(p, &s->here, &cost);
    s->planned_seconds += cost_seconds(&cost, &s->here);
    s->taken_seconds += seconds;
}

static status open_model(serving *s) {
    const verb_call *call = s->call;
    const serve_options *o = call->options;
    TRY(model_open(call->cx, call->args[0], &s->model));
    TRY(tokenizer_open(call->cx, call->args[0], &s->tokens));
    status st = chat_open(s->web_cx, call->args[0], s->tokens, &s->chat);
    if (st != STATUS_OK) return context_fail(call->cx, st, "%s", context_error(s->web_cx));
    engine_model m = engine_model_of(s->model, s->tokens);
    if (o->embed || !s->model->def->logits)
        return embedder_open(call->cx, &m, &(embedder_options){.threads = o->threads},
                             &s->embedder);
    engine_options e = {.context = o->context,
                        .tokens = o->step_tokens,
                        .sequences = o->sequences,
                        .queue = o->most_requests * 4,
                        .page = o->page,
                        .kv_tokens = o->kv_tokens,
                        .kv_format = run_kv_formats[o->kv_format],
                        .act = run_acts[o->act],
                        .policy = o->policy,
                        .step_seconds = o->step_time,
                        .step_stretch = ENGINE_STRETCH,
                        .forgets_prefixes = !o->prefix_cache,
                        .threads = o->threads};
    TRY(engine_fill_memory(call->cx, &m, &e));
    TRY(engine_fits(call->cx, call->args[0], &m, &e));
    TRY(guess_open(call->cx, &o->guess, &s->draft, &e));
    if (o->plan) {
        TRY(measure(s));
        e.stepped = see_step;
        e.stepped_user = s;
    }
    TRY(engine_open(call->cx, &m, &e, &s->engine));
    estimate_bytes planned = {0};
    estimate_engine(engine_plan(s->engine), &planned);
    s->planned_bytes = planned.total;
    log_info("memory: planned %s, of which %s fill with keys and values; taken %s",
             plan_bytes((double)planned.total).text, plan_bytes((double)planned.tag[TAG_KV]).text,
             plan_bytes((double)(footprint_bytes() - s->before_bytes)).text);
    return STATUS_OK;
}

static void tell_costs(const serving *s) {
    if (s->planned_bytes)
        log_info("memory: planned %s, taken at most %s", plan_bytes((double)s->planned_bytes).text,
                 plan_bytes((double)(footprint_peak_bytes() - s->before_bytes)).text);
    if (s->taken_seconds > 0)
        log_info("time: planned %s in steps, taken %s", plan_span(s->planned_seconds).text,
                 plan_span(s->taken_seconds).text);
}

static status open_server(serving *s) {
    const verb_call *call = s->call;
    const serve_options *o = call->options;
    server_model m = {.engine_cx = call->cx,
                      .web_cx = s->web_cx,
                      .engine = s->engine,
                      .embedder = s->embedder,
                      .config = &s->model->config,
                      .tokens = s->tokens,
                      .chat = s->chat};
    server_options so = {.http = {.host = o->host,
                                  .port = (int)o->port,
                                  .certificate = o->certificate,
                                  .key = o->key,
                                  .cors = o->cors,
                                  .most_body_bytes = o->most_body,
                                  .most_connections = o->most_connections,
                                  .most_unread_bytes = 64 << 20,
                                  .idle_seconds = (int)o->idle},
                         .name = o->name ? o->name : file_name(call->args[0], call->memory),
                         .keys_file = o->keys,
                         .dialect = o->tools,
                         .most_jobs = o->most_requests,
                         .timeout_seconds = o->timeout};
    if (!so.name) return STATUS_NO_MEMORY;
    TRY(server_open(call->cx, &m, &so, &s->server));
    if (pthread_create(&s->signals, NULL, watch_signals, s))
        FAIL(call->cx, STATUS_IO, "cannot start a thread for signals");
    s->has_signals = true;
    const char *host = !strcmp(o->host, "0.0.0.0") ? "127.0.0.1" : o->host;
    fprintf(stderr, strchr(host, ':') ? "ready %s://[%s]:%d\n" : "ready %s://%s:%d\n",
            o->certificate ? "https" : "http", host, server_port(s->server));
    return STATUS_OK;
}

static void close_all(serving *s) {
    if (s->has_signals) {
        pthread_kill(s->signals, SIGUSR1);
        pthread_join(s->signals, NULL);
    }
    server_close(s->server);
    engine_close(s->engine);
    embedder_close(s->embedder);
    guess_close(&s->draft);
    chat_close(s->chat);
    tokenizer_free(s->tokens);
    model_close(s->model);
    context_free(s->web_cx);
}

static status run(const verb_call *call) {
    serving s = {.call = call, .web_cx = context_new(), .before_bytes = footprint_bytes()};
    sigset_t set = handled_signals();
    if (!s.web_cx) FAIL(call->cx, STATUS_NO_MEMORY, "no memory for a context");
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    status st = check(call);
    if (st == STATUS_OK) st = open_model(&s);
    if (st == STATUS_OK) st = open_server(&s);
    if (st == STATUS_OK) st = server_run(s.server);
    tell_costs(&s);
    close_all(&s);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return st;
}

extern const verb_def verb_serve;
const verb_def verb_serve = {
    .name = "serve",
    .summary = "serve a model by OpenAI's API, with a chat page",
    .example = "hone serve storyteller",
    .help = "MODEL is a Hugging Face folder or a GGUF file. When the server answers, it says "
            "'ready URL' on stderr; the chat page "
            "is at that URL, the API below /v1, metrics for Prometheus at /metrics.\n"
            "SIGTERM lets running requests finish and then ends it; SIGHUP reads keys and "
            "certificates again.",
    .positional = "MODEL",
    .min_args = 1,
    .max_args = 1,
    .options_bytes = sizeof(serve_options),
    .options = options,
    .run = run};
