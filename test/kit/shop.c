/* Opening and closing (test/kit/shop.h). */
#include "kit/shop.h"
#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const num_format *stored(void *user, const char *name, int32_t rank) {
    (void)user, (void)name;
    return num_find(rank > 1 ? "bf16" : "f32");
}
static status draw_weights(void *user, states *store, const graph *g) {
    return model_init(user, store, g, 7);
}

/* A tokenizer of single bytes, as tokenizer.json writes it, and a template. */
static status write_files(context *cx, const char *folder, bool endless) {
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
    if (st == STATUS_OK) {
        n = snprintf(
            text, 1 << 16,
            "{%s\"chat_template\": \"{%% for m in messages %%}[{{ m.role }}]{{ m.content }}"
            "{%% endfor %%}\"}",
            endless ? "" : "\"eos_token\": \"!\", ");
        snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
        st = file_write_whole(cx, path, text, n);
    }
    free(text);
    return st;
}

static void *keep_shop(void *arg) {
    shop *s = arg;
    s->ended = server_run(s->server);
    return NULL;
}

static http_options http_of(const http_options *asked) {
    http_options h = *asked;
    if (!h.host) h.host = "127.0.0.1";
    if (!h.most_body_bytes) h.most_body_bytes = 1 << 20;
    if (!h.most_connections) h.most_connections = 256;
    if (!h.most_unread_bytes) h.most_unread_bytes = 16 << 20;
    if (!h.idle_seconds) h.idle_seconds = 20;
    return h;
}

static status open_model(test *t, shop *s, const shop_way *way) {
    const char *folder = test_folder(t);
    TRY(write_files(s->cx, folder, way->endless));
    TRY(tokenizer_open(s->cx, folder, &s->tokens));
    if (chat_open(s->web_cx, folder, s->tokens, &s->chat) != STATUS_OK)
        FAIL(s->cx, STATUS_BAD_DATA, "%s", context_error(s->web_cx));
    TRY(model_preset(s->cx, "1m", &s->config));
    s->config.initializer_range = 0.3;
    s->config.vocabulary = 256;
    s->config.positions = 4096;
    engine_model m = {.config = &s->config,
                      .format = stored,
                      .fill = draw_weights,
                      .user = &s->config,
                      .tokens = s->tokens};
    if (!way->makes_vectors) return engine_open(s->cx, &m, &way->engine, &s->engine);
    s->config.positions = 64;
    s->config.normalize_embeddings = true;
    return embedder_open(s->cx, &m, &(embedder_options){.threads = 1}, &s->embedder);
}

static status shop_open(test *t, shop *s, const shop_way *way) {
    *s = (shop){.cx = context_new(), .web_cx = context_new()};
    log_set_level(LOG_ERROR); /* no line for each request */
    TRY(open_model(t, s, way));
    server_options so = way->server;
    so.name = "toy";
    so.http = http_of(&way->server.http);
    if (!so.most_jobs) so.most_jobs = 64;
    server_model sm = {.engine_cx = s->cx,
                       .web_cx = s->web_cx,
                       .engine = s->engine,
                       .embedder = s->embedder,
                       .config = &s->config,
                       .tokens = s->tokens,
                       .chat = s->chat};
    TRY(server_open(s->cx, &sm, &so, &s->server));
    s->port = server_port(s->server);
    if (pthread_create(&s->thread, NULL, keep_shop, s)) FAIL(s->cx, STATUS_IO, "no thread");
    s->has_thread = true;
    char heard[512];
    bool plain = !so.http.certificate;
    for (int i = 0; plain && i < 500; i++, time_sleep_ns(2000000))
        if (ask(s->port, "GET /ready", "", "", heard, sizeof heard) == 200) break;
    return STATUS_OK;
}

void shop_wait(shop *s) {
    if (s->has_thread) pthread_join(s->thread, NULL);
    s->has_thread = false;
}

static void shop_close(shop *s) {
    if (s->server) server_drain(s->server);
    shop_wait(s);
    server_close(s->server);
    engine_close(s->engine);
    embedder_close(s->embedder);
    chat_close(s->chat);
    tokenizer_free(s->tokens);
    context_free(s->web_cx);
    context_free(s->cx);
    log_set_level(LOG_INFO);
}

void in_shop(test *t, const shop_way *way, void (*body)(test *t, shop *s)) {
    shop s;
    status st = shop_open(t, &s, way);
    if (st == STATUS_OK)
        body(t, &s);
    else
        test_fail(t, __FILE__, __LINE__, "shop_open", "%s", context_error(s.cx));
    shop_close(&s);
}

int shop_complete(const shop *s, const char *body, char *out) {
    return ask(s->port, "POST /v1/completions", "", body, out, SHOP_ANSWER);
}

double shop_metric(const shop *s, const char *name) {
    char *page = malloc(SHOP_ANSWER), *at;
    double value = NAN;
    if (ask(s->port, "GET /metrics", "", "", page, SHOP_ANSWER) == 200 && (at = strstr(page, name)))
        value = atof(strchr(at, ' ') + 1);
    free(page);
    return value;
}

bool shop_settles(const shop *s, const char *name, double wanted) {
    for (int i = 0; i < 500; i++, time_sleep_ns(10000000))
        if (shop_metric(s, name) == wanted) return true;
    return false;
}
