/* A server among rough clients: bodies and headers that are almost right, crowds of idle connections, clients that do
 * not read, that send half a request or leave while they wait. It answers the next one as it answered the first, and
 * gives all memory and all pages back. HONE_MALFORMED says how many broken requests there are (400; in make slow
 * 100,000). */
#include "base/rng.h"
#include "base/time.h"
#include "kit/shop.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static char heard[SHOP_ANSWER];

static const char *const seeds[][2] = {
    {"POST /v1/completions",
     "{\"prompt\": [72, 105], \"max_tokens\": 3, \"logprobs\": 2, \"stop\": [\"a\", \"bc\"], "
     "\"logit_bias\": {\"65\": -100}, \"seed\": 7, \"stream\": true, \"n\": 2}"},
    {"POST /v1/chat/completions",
     "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": "
     "\"h\\u00e9\"}]}], "
     "\"max_completion_tokens\": 3, \"temperature\": 0.5, \"tools\": [{\"type\": \"function\", "
     "\"function\": {\"name\": \"f\", \"parameters\": {}}}], \"top_logprobs\": 2, \"logprobs\": "
     "true}"},
    {"POST /v1/embeddings", "{\"input\": [\"a\", \"b\"], \"encoding_format\": \"base64\"}"},
    {"POST /tokenize", "{\"prompt\": \"a b c\", \"add_special_tokens\": false}"},
    {"POST /detokenize", "{\"tokens\": [72, 105]}"},
    {"GET /v1/models", ""},
};

/* A few bytes changed, taken out, doubled or put in. */
static size_t spoil(rng *r, char *text, size_t n, size_t most) {
    static const char salt[] = "{}[]\",:\\0123456789-+.eE truefalsnull\x00\x80\xff\xc3\xed\xa0";
    for (uint64_t times = 1 + rng_below(r, 4); times && n; times--) {
        size_t at = rng_below(r, n), length = 1 + rng_below(r, 8);
        length = MIN_OF(length, n - at);
        switch (rng_below(r, 5)) {
        case 0:
            text[at] = (char)rng_next(r);
            break;
        case 1:
            text[at] = salt[rng_below(r, sizeof salt)];
            break;
        case 2:
            memmove(text + at, text + at + length, n - at - length);
            n -= length;
            break;
        case 3:
            if (n + length > most) break;
            memmove(text + at + length, text + at, n - at);
            n += length;
            break;
        default:
            n = at;
            break;
        }
    }
    return n;
}

static void send_broken(int port, rng *r) {
    enum { MOST = 2048 };
    char text[MOST], body[MOST];
    const char *const *seed = seeds[rng_below(r, COUNT_OF(seeds))];
    size_t n = (size_t)snprintf(body, sizeof body, "%s", seed[1]);
    bool in_body = rng_below(r, 4) != 0;
    if (in_body) n = spoil(r, body, n, sizeof body);
    int head = snprintf(text, sizeof text,
                        "%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                        "Connection: close\r\nContent-Length: %zu\r\n\r\n",
                        seed[0], n);
    size_t whole = MIN_OF((size_t)head + n, sizeof text);
    memcpy(text + head, body, whole - (size_t)head);
    if (!in_body) whole = spoil(r, text, whole, sizeof text);
    int fd = dial(port);
    if (fd < 0) return;
    (void)!send(fd, text, whole, MSG_NOSIGNAL);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (rng_below(r, 8))
        (void)poll(&ready, 1, 20); /* most wait for a first byte, some leave at once */
    close(fd);
}

static void malformed_in(test *t, shop *s) {
    const char *asked = getenv("HONE_MALFORMED");
    int count = asked ? atoi(asked) : 400;
    rng r = rng_make(9, 9);
    CHECK(t, shop_complete(s, "{\"prompt\": \"a\"}", heard) == 200, "%s", heard);
    for (int i = 0; i < 50; i++) send_broken(s->port, &r); /* buffers have grown by now */
    CHECK(t, shop_settles(s, "\nvllm:num_requests_running{", 0));
    int64_t before = context_live_allocations(s->cx) + context_live_allocations(s->web_cx);
    for (int i = 0; i < count; i++) send_broken(s->port, &r);
    CHECK(t, shop_settles(s, "\nvllm:num_requests_running{", 0));
    CHECK(t, shop_complete(s, "{\"prompt\": \"a\"}", heard) == 200, "%s", heard);
    int64_t after = 0;
    for (int i = 0; i < 500; i++, time_sleep_ns(10000000)) {
        after = context_live_allocations(s->cx) + context_live_allocations(s->web_cx);
        if (after <= before) break;
    }
    CHECK(t, after <= before, "%lld allocations more", (long long)(after - before));
    CHECK(t, shop_metric(s, "\nvllm:kv_cache_usage_perc{") == 0);
}

static void malformed(test *t) {
    in_shop(t, &(shop_way){.engine = {.context = 256}}, malformed_in);
}

/* Connections that say nothing, and beside them others that are served. */
enum { IDLE = 2000, ACTIVE = 200 };

static void crowd_in(test *t, shop *s) {
    static int idle[IDLE], active[ACTIVE];
    for (int i = 0; i < IDLE; i++) CHECK(t, (idle[i] = dial(s->port)) >= 0, "connection %d", i);
    for (int i = 0; i < ACTIVE; i++) {
        active[i] =
            ask_begin(s->port, "POST /v1/completions", "",
                      i % 2 ? "{\"prompt\": \"abc\", \"max_tokens\": 20}"
                            : "{\"prompt\": \"abc\", \"max_tokens\": 20, \"stream\": true}");
        CHECK(t, active[i] >= 0, "request %d", i);
    }
    for (int i = 0; i < ACTIVE; i++) {
        const char *end = i % 2 ? "\"completion_tokens\":20" : "[DONE]";
        CHECK(t, hear(active[i], end, heard, sizeof heard), "request %d: %s", i, heard);
        close(active[i]);
    }
    for (int i = 0; i < IDLE; i++) close(idle[i]);
    CHECK(t, shop_settles(s, "\nvllm:request_success_total{finished_reason=\"length\"", ACTIVE));
}

static void crowd(test *t) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = MIN_OF(files.rlim_max, 8192);
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 2 * (IDLE + ACTIVE) + 100) {
        test_skip(t, "%d connections from both ends need more open files than %lld", IDLE + ACTIVE,
                  (long long)files.rlim_cur);
        return;
    }
    in_shop(t,
            &(shop_way){.server = {.most_jobs = 400, .http = {.most_connections = 4000}},
                        .engine = {.context = 128, .sequences = 32}},
            crowd_in);
}

/* One does not read what it asked for, one stops within its request, others leave the queue; who reads is served. */
static void stalled_in(test *t, shop *s) {
    enum { QUEUED = 8 };
    static const char flood[] = "{\"prompt\": \"abc\", \"max_tokens\": 3000, \"stream\": true, "
                                "\"logprobs\": 20, \"n\": 4}";
    int slow = ask_begin(s->port, "POST /v1/completions", "", flood), half = dial(s->port);
    int queued[QUEUED];
    CHECK(t, slow >= 0 && half >= 0);
    CHECK(t,
          say(half, "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{\"pr",
              67));
    for (int i = 0; i < QUEUED; i++)
        queued[i] = ask_begin(s->port, "POST /v1/completions", "", flood);
    CHECK(t, shop_settles(s, "\nvllm:num_requests_running{", 4));
    for (int i = 0; i < QUEUED; i++) close(queued[i]);
    CHECK(t, shop_complete(s, "{\"prompt\": \"a\", \"max_tokens\": 5}", heard) == 200, "%s", heard);
    CHECK(t, !hear(half, "HTTP/1.1 200", heard, sizeof heard), "%s",
          heard); /* closed when it idled */
    CHECK(t, shop_settles(s, "\nvllm:request_success_total{finished_reason=\"abort\"", QUEUED + 1),
          "who does not read was not dropped");
    CHECK(t, shop_settles(s, "\nvllm:kv_cache_usage_perc{", 0));
    close(slow);
    close(half);
}

static void stalled(test *t) {
    in_shop(t,
            &(shop_way){.server = {.http = {.idle_seconds = 2, .most_unread_bytes = 256 << 10}},
                        .engine = {.context = 4096, .sequences = 4, .kv_tokens = 32768}},
            stalled_in);
}

const test_case suite_serve_rough[] = {
    {"malformed", malformed}, {"crowd", crowd, true}, {"stalled", stalled, true}, {0}};
