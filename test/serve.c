/* A whole server in this process, over a tiny model with random weights: answers are equal bits alone and among others,
 * streamed and whole; clients that leave give everything back; keys, draining, bad requests, counts. */
#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "kit/dial.h"
#include "serve/server.h"
#include "test.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ANSWER = 1 << 18, BESIDE = 12 };

typedef struct shop {
    context *cx, *web_cx;
    model_config config;
    tokenizer *tokens;
    chat *chat;
    engine *engine;
    server *server;
    pthread_t thread;
    status ended;
    int port;
} shop;

static const num_format *stored(void *user, const char *name, int32_t rank) {
    (void)user, (void)name;
    return num_find(rank > 1 ? "bf16" : "f32");
}
static status draw_weights(void *user, states *store, const graph *g) {
    return model_init(user, store, g, 7);
}

/* A tokenizer of single bytes, as tokenizer.json writes it, and a template. */
static status write_files(context *cx, const char *folder) {
    char path[512], *text = malloc(1 << 16);
    int n = snprintf(
        text, 1 << 16,
        "{\"added_tokens\": [], \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": "
        "false, "
        "\"trim_offsets\": true, \"use_regex\": false}, \"decoder\": {\"type\": \"ByteLevel\"}, "
        "\"model\": {\"type\": \"BPE\", \"merges\": [], \"vocab\": {");
    for (int b = 0, extra = 256; b < 256; b++) { /* GPT-2's letters for bytes */
        bool plain = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        n += snprintf(text + n, (size_t)((1 << 16) - n), "%s\"\\u%04x\": %d", b ? ", " : "",
                      plain ? b : extra++, b);
    }
    snprintf(text + n, (size_t)((1 << 16) - n), "}}}");
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    status st = file_write_whole(cx, path, text, (int64_t)strlen(text));
    static const char settings[] = "{\"eos_token\": \"!\", \"chat_template\": \"{% for m in "
                                   "messages %}[{{ m.role }}]{{ m.content }}{% endfor %}\"}";
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    free(text);
    return st == STATUS_OK ? file_write_whole(cx, path, settings, sizeof settings - 1) : st;
}

static void *keep_shop(void *arg) {
    shop *s = arg;
    s->ended = server_run(s->server);
    return NULL;
}

static status shop_open(test *t, shop *s, const server_options *o, const engine_options *eo) {
    *s = (shop){.cx = context_new(), .web_cx = context_new()};
    const char *folder = test_folder(t);
    TRY(write_files(s->cx, folder));
    TRY(tokenizer_open(s->cx, folder, &s->tokens));
    if (chat_open(s->web_cx, folder, s->tokens, &s->chat) != STATUS_OK)
        FAIL(s->cx, STATUS_BAD_DATA, "%s", context_error(s->web_cx));
    TRY(model_preset(s->cx, "1m", &s->config));
    s->config.initializer_range = 0.3;
    s->config.vocabulary = 256;
    s->config.positions = 4096;
    log_set_level(LOG_ERROR); /* no line for each request */
    engine_model m = {.config = &s->config,
                      .format = stored,
                      .fill = draw_weights,
                      .user = &s->config,
                      .tokens = s->tokens};
    TRY(engine_open(s->cx, &m, eo, &s->engine));
    server_options so = *o;
    so.name = "toy";
    so.http = (http_options){.host = "127.0.0.1",
                             .most_body_bytes = 1 << 20,
                             .most_connections = 256,
                             .most_unread_bytes = 16 << 20,
                             .idle_seconds = 20};
    if (!so.most_jobs) so.most_jobs = 64;
    server_model sm = {.engine_cx = s->cx,
                       .web_cx = s->web_cx,
                       .engine = s->engine,
                       .config = &s->config,
                       .tokens = s->tokens,
                       .chat = s->chat};
    TRY(server_open(s->cx, &sm, &so, &s->server));
    s->port = server_port(s->server);
    if (pthread_create(&s->thread, NULL, keep_shop, s)) FAIL(s->cx, STATUS_IO, "no thread");
    char heard[512];
    for (int i = 0; i < 500 && ask(s->port, "GET /ready", "", "", heard, sizeof heard) != 200; i++)
        time_sleep_ns(2000000);
    return STATUS_OK;
}

static void shop_close(shop *s) {
    server_drain(s->server);
    pthread_join(s->thread, NULL);
    server_close(s->server);
    engine_close(s->engine);
    chat_close(s->chat);
    tokenizer_free(s->tokens);
    context_free(s->web_cx);
    context_free(s->cx);
    log_set_level(LOG_INFO);
}

/* The answer from `"choices"` on: without ids and times. */
static const char *choices_of(const char *heard) {
    const char *at = strstr(heard, "\"choices\"");
    return at ? at : heard;
}

static int complete(const shop *s, const char *body, char *out) {
    return ask(s->port, "POST /v1/completions", "", body, out, ANSWER);
}

static const char *const wanted = "{\"prompt\": \"Once upon a time\", \"max_tokens\": 40, "
                                  "\"temperature\": 1, \"seed\": 5, \"logprobs\": 3, \"n\": 2}";

static void among_others(test *t) {
    shop s;
    char *alone = malloc(ANSWER), *among = malloc(ANSWER), body[256];
    CHECK_OK(t, s.cx, shop_open(t, &s, &(server_options){0}, &(engine_options){.context = 256}));
    CHECK(t, complete(&s, wanted, alone) == 200, "%s", alone);
    int fd[BESIDE];
    for (int i = 0; i < BESIDE; i++) {
        snprintf(body, sizeof body,
                 "{\"prompt\": \"number %d of many\", \"max_tokens\": %d, \"stream\": true}", i,
                 20 + 10 * i);
        fd[i] = ask_begin(s.port, "POST /v1/completions", "", body);
        CHECK(t, fd[i] >= 0);
    }
    CHECK(t, complete(&s, wanted, among) == 200, "%s", among);
    for (int i = 0; i < BESIDE; i++) close(fd[i]);
    CHECK(t, !strcmp(choices_of(alone), choices_of(among)), "%s\n%s", choices_of(alone),
          choices_of(among));
    snprintf(body, sizeof body, "%.*s6%s", (int)(strstr(wanted, "5, \"log") - wanted), wanted,
             strstr(wanted, ", \"log"));
    CHECK(t, complete(&s, body, among) == 200 &&
                 strcmp(choices_of(alone), choices_of(among))); /* control: another seed */
    shop_close(&s);
    shop small;
    CHECK_OK(t, small.cx,
             shop_open(t, &small, &(server_options){0},
                       &(engine_options){.context = 256, .tokens = 3, .page = 64}));
    CHECK(t, complete(&small, wanted, among) == 200, "%s", among);
    CHECK(t, !strcmp(choices_of(alone), choices_of(among)), "chunks of 3, pages of 64: %s\n%s",
          choices_of(alone), choices_of(among));
    shop_close(&small);
    free(alone);
    free(among);
}

/* The values of every "key": "..." in order, end to end, still escaped. */
static void join(const char *text, const char *key, char *out, size_t size) {
    char mark[64];
    snprintf(mark, sizeof mark, "\"%s\":\"", key);
    *out = 0;
    for (size_t n = 0; (text = strstr(text, mark));) {
        text += strlen(mark);
        while (*text && *text != '"' && n + 3 < size) {
            if (*text == '\\') out[n++] = *text++;
            out[n++] = *text++;
        }
        out[n] = 0;
    }
}

static void streams(test *t) {
    shop s;
    char *whole = malloc(ANSWER), *pieces = malloc(ANSWER), *a = malloc(ANSWER),
         *b = malloc(ANSWER);
    CHECK_OK(t, s.cx, shop_open(t, &s, &(server_options){0}, &(engine_options){.context = 256}));
    CHECK(t, complete(&s, "{\"prompt\": \"abc\", \"max_tokens\": 50, \"temperature\": 0}", whole) ==
                 200);
    CHECK(t, complete(&s,
                      "{\"prompt\": \"abc\", \"max_tokens\": 50, \"temperature\": 0, \"stream\": "
                      "true, \"stream_options\": {\"include_usage\": true}}",
                      pieces) == 200);
    join(whole, "text", a, ANSWER);
    join(pieces, "text", b, ANSWER);
    CHECK(t, *a && !strcmp(a, b), "%s\n%s", a, b);
    CHECK(t, strstr(pieces, "\"completion_tokens\":50") && strstr(pieces, "data: [DONE]"), "%s",
          pieces);
    CHECK(t, strstr(whole, "\"finish_reason\":\"length\"") &&
                 strstr(pieces, "\"finish_reason\":\"length\""));
    CHECK(t,
          ask(s.port, "POST /v1/chat/completions", "",
              "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"max_tokens\": 20, "
              "\"temperature\": 0}",
              whole, ANSWER) == 200,
          "%s", whole);
    CHECK(t, ask(s.port, "POST /v1/chat/completions", "",
                 "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"max_tokens\": 20, "
                 "\"temperature\": 0, \"stream\": true}",
                 pieces, ANSWER) == 200);
    join(whole, "content", a, ANSWER);
    join(pieces, "content", b, ANSWER);
    CHECK(t, *a && !strcmp(a, b), "%s\n%s", a, b);
    CHECK(t, complete(&s, "{\"prompt\": \"[user]hi\", \"max_tokens\": 20, \"temperature\": 0}",
                      whole) == 200); /* what the template made */
    join(whole, "text", b, ANSWER);
    CHECK(t, !strcmp(a, b), "%s\n%s", a, b);
    shop_close(&s);
    free(whole), free(pieces), free(a), free(b);
}

/* lm-eval's contract: lists of ids, echo, one token, logprobs of all. */
static void scores(test *t) {
    shop s;
    char *heard = malloc(ANSWER);
    CHECK_OK(t, s.cx, shop_open(t, &s, &(server_options){0}, &(engine_options){.context = 256}));
    CHECK(t,
          complete(&s,
                   "{\"prompt\": [[72, 105, 33], [65]], \"echo\": true, \"logprobs\": 1, "
                   "\"max_tokens\": 1, \"temperature\": 0}",
                   heard) == 200,
          "%s", heard);
    CHECK(t,
          strstr(heard, "\"tokens\":[\"H\",\"i\",\"!\",") &&
              strstr(heard, "\"token_logprobs\":[null,-"),
          "%s", heard);
    const char *second = strstr(heard, "\"index\":1");
    CHECK(t,
          second && strstr(second, "\"tokens\":[\"A\",") && strstr(second, "\"text_offset\":[0,1]"),
          "%s", heard);
    CHECK(t, strstr(heard, "\"completion_tokens\":2"), "%s", heard);
    CHECK(t,
          ask(s.port, "POST /tokenize", "", "{\"prompt\": \"Hi!\"}", heard, ANSWER) == 200 &&
              strstr(heard, "\"tokens\":[72,105,33]"),
          "%s", heard);
    CHECK(t,
          ask(s.port, "POST /detokenize", "", "{\"tokens\": [72, 105, 33]}", heard, ANSWER) ==
                  200 &&
              strstr(heard, "\"prompt\":\"Hi!\""),
          "%s", heard);
    CHECK(t,
          ask(s.port, "GET /tokenizer_info", "", "", heard, ANSWER) == 200 &&
              strstr(heard, "\"eos_token\":\"!\""),
          "%s", heard);
    shop_close(&s);
    free(heard);
}

static double metric(const shop *s, const char *name) {
    char *page = malloc(ANSWER), *at;
    double value = NAN;
    if (ask(s->port, "GET /metrics", "", "", page, ANSWER) == 200 && (at = strstr(page, name)))
        value = atof(strchr(at, ' ') + 1);
    free(page);
    return value;
}

static bool settles(const shop *s, const char *name, double wanted) {
    for (int i = 0; i < 500; i++, time_sleep_ns(10000000))
        if (metric(s, name) == wanted) return true;
    return false;
}

static void leaving(test *t) {
    shop s;
    char *heard = malloc(ANSWER);
    int fd[20];
    CHECK_OK(t, s.cx,
             shop_open(t, &s, &(server_options){.most_jobs = 20},
                       &(engine_options){.context = 2048, .sequences = 4, .kv_tokens = 8192}));
    for (int i = 0; i < 20; i++) /* four run, the others wait */
        fd[i] = ask_begin(s.port, "POST /v1/completions", "",
                          "{\"prompt\": \"abc\", \"max_tokens\": 2000, \"stream\": true}");
    CHECK(t, settles(&s, "\nvllm:num_requests_running{", 4));
    CHECK(t, complete(&s, "{\"prompt\": \"abc\"}", heard) == 429 && strstr(heard, "retry-after:"),
          "%s", heard);
    for (int i = 0; i < 20; i++) close(fd[i]);
    CHECK(t, settles(&s, "\nvllm:num_requests_running{", 0) &&
                 settles(&s, "\nvllm:num_requests_waiting{", 0));
    CHECK(t, settles(&s, "\nvllm:request_success_total{finished_reason=\"abort\"", 20));
    CHECK(t, metric(&s, "\nvllm:kv_cache_usage_perc{") == 0);
    CHECK(t, metric(&s, "\nvllm:generation_tokens_total{") <
                 20 * 2000); /* nobody was served to the end */
    CHECK(t, complete(&s, "{\"prompt\": \"abc\"}", heard) == 200, "%s", heard);
    shop_close(&s);
    free(heard);
}

static void draining(test *t) {
    shop s;
    char *heard = malloc(ANSWER);
    CHECK_OK(t, s.cx, shop_open(t, &s, &(server_options){0}, &(engine_options){.context = 2048}));
    int fd = ask_begin(s.port, "POST /v1/completions", "",
                       "{\"prompt\": \"abc\", \"max_tokens\": 1500}");
    CHECK(t, settles(&s, "\nvllm:num_requests_running{", 1));
    server_drain(s.server);
    CHECK(t, complete(&s, "{\"prompt\": \"abc\"}", heard) == 503, "%s", heard);
    CHECK(t, ask(s.port, "GET /ready", "", "", heard, ANSWER) == 503);
    CHECK(t, hear(fd, "\"completion_tokens\":1500", heard, ANSWER),
          "a request in flight was not finished: %s", heard);
    close(fd);
    pthread_join(s.thread, NULL);
    CHECK(t, s.ended == STATUS_OK);
    pthread_create(&s.thread, NULL, keep_shop, &s); /* for shop_close to join */
    shop_close(&s);
    free(heard);
}

static void locked(test *t) {
    shop s;
    char heard[4096], path[512];
    context *cx = context_new();
    snprintf(path, sizeof path, "%s.keys", test_folder(t));
    CHECK_OK(t, cx, file_write_whole(cx, path, "# keys\nopen sesame\n", 19));
    CHECK_OK(
        t, s.cx,
        shop_open(t, &s, &(server_options){.keys_file = path}, &(engine_options){.context = 64}));
    CHECK(t, ask(s.port, "GET /v1/models", "", "", heard, sizeof heard) == 401, "%s", heard);
    CHECK(t, ask(s.port, "GET /v1/models", "Authorization: Bearer open\r\n", "", heard,
                 sizeof heard) == 401);
    CHECK(t,
          ask(s.port, "GET /v1/models", "Authorization: Bearer open sesame\r\n", "", heard,
              sizeof heard) == 200,
          "%s", heard);
    CHECK(t, ask(s.port, "GET /health", "", "", heard, sizeof heard) == 200);
    CHECK_OK(t, cx, file_write_whole(cx, path, "other\n", 6));
    server_reload(s.server);
    int code = 0;
    for (int i = 0; i < 100 && code != 200; i++, time_sleep_ns(2000000))
        code = ask(s.port, "GET /v1/models", "Authorization: Bearer other\r\n", "", heard,
                   sizeof heard);
    CHECK(t, code == 200 && ask(s.port, "GET /v1/models", "Authorization: Bearer open sesame\r\n",
                                "", heard, sizeof heard) == 401);
    shop_close(&s);
    unlink(path);
    context_free(cx);
}

static void refusals(test *t) {
    static const struct {
        const char *what, *body;
        int code;
        const char *words;
    } cases[] = {
        {"GET /nothing", "", 404, "nothing at this path"},
        {"GET /v1/completions", "", 405, "another method"},
        {"POST /v1/completions", "{", 400, "the body"},
        {"POST /v1/completions", "{\"prompt\": \"\"}", 400, "empty"},
        {"POST /v1/completions", "{\"prompt\": [300]}", 400, "vocabulary"},
        {"POST /v1/completions", "{\"prompt\": \"a\", \"model\": \"other\"}", 404,
         "model_not_found"},
        {"POST /v1/completions", "{\"prompt\": \"a\", \"max_tokens\": 1000}", 400, "context"},
        {"POST /v1/completions", "{\"prompt\": \"\xff\"}", 400, "UTF-8"},
        {"POST /v1/chat/completions",
         "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"response_format\": "
         "{\"type\": \"json_schema\"}}",
         400, "response_format"},
        {"POST /v1/embeddings", "{\"input\": \"a\"}", 400, "encoder"},
        {"POST /detokenize", "{\"tokens\": [99999]}", 400, "vocabulary"},
        {"GET /v1/models/other", "", 404, "no such model"},
    };
    shop s;
    char *heard = malloc(ANSWER), *body = calloc(1, 4096);
    CHECK_OK(t, s.cx, shop_open(t, &s, &(server_options){0}, &(engine_options){.context = 128}));
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        int code = ask(s.port, cases[i].what, "", cases[i].body, heard, ANSWER);
        CHECK(t, code == cases[i].code && strstr(heard, cases[i].words), "%s %s: %d\n%s",
              cases[i].what, cases[i].body, code, heard);
        CHECK(t, strstr(heard, "\"error\":{\"message\":"), "%s", heard);
    }
    int n = sprintf(body, "{\"prompt\": \"");
    memset(body + n, 'a', 200);
    strcpy(body + n + 200, "\"}");
    CHECK(t, complete(&s, body, heard) == 400 && strstr(heard, "\"param\":\"prompt\""), "%s",
          heard);
    CHECK(t, complete(&s, "{\"prompt\": \"a\"}", heard) == 200, "%s", heard); /* and goes on */
    shop_close(&s);
    free(heard), free(body);
}

static void counts(test *t) {
    shop s;
    char *heard = malloc(ANSWER);
    CHECK_OK(t, s.cx, shop_open(t, &s, &(server_options){0}, &(engine_options){.context = 256}));
    for (int i = 0; i < 5; i++)
        CHECK(t, complete(&s, "{\"prompt\": \"abcd\", \"max_tokens\": 7}", heard) == 200);
    CHECK(t, settles(&s, "\nvllm:generation_tokens_total{", 35) &&
                 metric(&s, "\nvllm:prompt_tokens_total{") == 20);
    CHECK(t, settles(&s, "\nvllm:request_success_total{finished_reason=\"length\"", 5));
    CHECK(t, metric(&s, "\nvllm:time_to_first_token_seconds_count{") == 5 &&
                 metric(&s, "\nvllm:inter_token_latency_seconds_count{") == 30);
    shop_close(&s);
    free(heard);
}

const test_case suite_serve[] = {
    {"among_others", among_others}, {"streams", streams},   {"scores", scores},
    {"leaving", leaving, true},     {"draining", draining}, {"locked", locked},
    {"refusals", refusals},         {"counts", counts},     {0}};
