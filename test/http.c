/* The HTTP thread against raw sockets: whole and streamed answers, connections that are kept, clients
 * that leave, stall or write nonsense, and limits. */
#include "base/time.h"
#include "kit/dial.h"
#include "serve/http.h"
#include "test.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct place {
    http_server *server;
    pthread_t thread;
    atomic_int handled, gone;
    _Atomic(http_exchange *) waiting;
} place;

/* /echo answers with the body; /stream with three pieces; /flood with more than a client reads at once;
 * /wait keeps the exchange for the test to answer. */
static void on_request(void *user, http_exchange *x) {
    place *p = user;
    const http_request *r = http_request_of(x);
    atomic_fetch_add(&p->handled, 1);
    if (!strcmp(r->path, "/stream")) {
        http_stream(x, 200, "text/event-stream", NULL);
        for (int i = 0; i < 3; i++) http_send(x, "data: piece\n\n", 13);
        http_end(x);
    } else if (!strcmp(r->path, "/flood")) {
        static const char block[64 << 10] = {'x'};
        http_stream(x, 200, "text/plain", NULL);
        for (int i = 0; i < 64 && http_send(x, block, sizeof block); i++) {
        }
        http_end(x);
    } else if (!strcmp(r->path, "/wait")) {
        http_hold(x);
        atomic_store(&p->waiting, x);
    } else {
        http_reply(x, 200, "text/plain", NULL, r->body, r->body_bytes);
    }
}
static void on_gone(void *user, http_exchange *x) {
    (void)x;
    atomic_fetch_add(&((place *)user)->gone, 1);
}
static void *serve(void *arg) {
    http_run(((place *)arg)->server);
    return NULL;
}

static status place_open(context *cx, place *p) {
    *p = (place){0};
    TRY(http_open(cx,
                  &(http_options){.host = "127.0.0.1",
                                  .most_body_bytes = 1 << 20,
                                  .most_connections = 64,
                                  .most_unread_bytes = 2 << 20,
                                  .idle_seconds = 2,
                                  .handlers = {.handle = on_request, .gone = on_gone, .user = p}},
                  &p->server));
    return pthread_create(&p->thread, NULL, serve, p) ? STATUS_IO : STATUS_OK;
}
static void place_close(place *p) {
    http_stop(p->server);
    pthread_join(p->thread, NULL);
    http_release(atomic_exchange(&p->waiting, NULL));
    http_close(p->server);
}

static void answers(test *t) {
    context *cx = context_new();
    place p;
    char heard[4096];
    CHECK_OK(t, cx, place_open(cx, &p));
    int fd = dial(http_port(p.server));
    CHECK(t, fd >= 0);
    const char post[] =
        "POST /echo HTTP/1.1\r\nHost: x\r\nX-Request-Id: seven\r\nContent-Length: 5\r\n\r\n"
        "hello";
    for (int i = 0; i < 3; i++) { /* one connection, kept */
        CHECK(t, say(fd, post, sizeof post - 1));
        CHECK(t, hear(fd, "\r\n\r\nhello", heard, sizeof heard), "%s", heard);
        CHECK(t, strstr(heard, "HTTP/1.1 200 OK") && strstr(heard, "x-request-id: seven"), "%s",
              heard);
    }
    CHECK(t, say(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", 31));
    CHECK(t, hear(fd, "\r\n\r\n", heard, sizeof heard) && strstr(heard, "x-request-id: req-"), "%s",
          heard);
    CHECK(t, say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", 33));
    CHECK(t, hear(fd, "0\r\n\r\n", heard, sizeof heard), "%s", heard);
    CHECK(t, strstr(heard, "d\r\ndata: piece\n\n\r\nd\r\n"), "%s", heard);
    close(fd);
    fd = dial(http_port(p.server));
    char *large = calloc(1, (1 << 20) + 200);
    int n = sprintf(large, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1 << 20);
    memset(large + n, 'y', 1 << 20);
    CHECK(t, say(fd, large, (size_t)n + (1 << 20)));
    CHECK(t, hear(fd, "\r\n\r\nyyyy", heard, sizeof heard), "%s", heard);
    close(fd);
    free(large);
    place_close(&p);
    context_free(cx);
}

static void refusals(test *t) {
    static const struct {
        const char *says, *hears;
    } cases[] = {
        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n", " 413 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", " 400 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", " 400 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\n\r\n", " 411 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
         " 411 "},
    };
    context *cx = context_new();
    place p;
    char heard[4096];
    CHECK_OK(t, cx, place_open(cx, &p));
    for (int64_t i = 0; i < COUNT_OF(cases); i++) {
        int fd = dial(http_port(p.server));
        CHECK(t, say(fd, cases[i].says, strlen(cases[i].says)));
        CHECK(t, hear(fd, "}", heard, sizeof heard) && strstr(heard, cases[i].hears), "%s\n%s",
              cases[i].says, heard);
        close(fd);
    }
    CHECK(t, atomic_load(&p.handled) == 0);
    place_close(&p);
    context_free(cx);
}

static void leaving(test *t) {
    context *cx = context_new();
    place p;
    char heard[4096];
    CHECK_OK(t, cx, place_open(cx, &p));
    const char post[] = "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    int fd = dial(http_port(p.server));
    CHECK(t, say(fd, post, sizeof post - 1) && soon(&p.handled, 1, 10));
    CHECK(t, !soon(&p.gone, 1, 0.1)); /* control: it is still there */
    close(fd);
    CHECK(t, soon(&p.gone, 1, 10), "a client that left while it waited was not noticed");
    http_exchange *x = atomic_exchange(&p.waiting, NULL);
    http_stream(x, 200, "text/plain", NULL);
    CHECK(t, http_is_gone(x) && !http_send(x, "a", 1));
    http_release(x);
    fd = dial(http_port(p.server)); /* answered by another thread, after a while */
    CHECK(t, say(fd, post, sizeof post - 1) && soon(&p.handled, 2, 10));
    x = atomic_exchange(&p.waiting, NULL);
    http_reply(x, 200, "text/plain", NULL, "late", 4);
    http_release(x);
    CHECK(t, hear(fd, "\r\n\r\nlate", heard, sizeof heard), "%s", heard);
    close(fd);
    int slow = dial(http_port(p.server)); /* asks for 4 MiB and does not read */
    CHECK(t, say(slow, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n", 32));
    CHECK(t, soon(&p.gone, 2, 10), "a client that does not read was not dropped");
    close(slow);
    int half = dial(http_port(p.server)); /* half a request: closed when it has idled */
    CHECK(t, say(half, "POST /echo HTT", 14));
    CHECK(t, !hear(half, "HTTP/1.1 200", heard, sizeof heard));
    close(half);
    place_close(&p);
    context_free(cx);
}

static void nonsense(test *t) {
    context *cx = context_new();
    place p;
    char heard[4096], noise[600];
    uint32_t seed = 1;
    CHECK_OK(t, cx, place_open(cx, &p));
    const char get[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok";
    for (int i = 0; i < 2000; i++) {
        int fd = dial(http_port(p.server)), n = (int)(seed >> 8) % 500 + 1;
        CHECK(t, fd >= 0);
        memcpy(noise, get, sizeof get);
        for (int k = i % 2 ? 0 : 6; k < n; k++)
            if (i % 3 || k > 60 || (seed >> 20) % 8 == 0)
                noise[k] = (char)((seed = seed * 1664525u + 1013904223u) >> 24);
        (void)!send(fd, noise, (size_t)n, MSG_NOSIGNAL);
        close(fd);
        seed = seed * 1664525u + 1013904223u;
    }
    int fd = -1;
    for (int tries = 0; tries < 50 && fd < 0; tries++, time_sleep_ns(20000000))
        fd = dial(http_port(p.server));
    CHECK(t, say(fd, get, sizeof get - 1) && hear(fd, "\r\n\r\nok", heard, sizeof heard), "%s",
          heard);
    close(fd);
    place_close(&p);
    context_free(cx);
}

static void bad_places(test *t) {
    context *cx = context_new();
    place p;
    http_server *s;
    CHECK_OK(t, cx, place_open(cx, &p));
    http_options o = {.host = "127.0.0.1", .most_connections = 4, .port = http_port(p.server)};
    CHECK_FAILS(t, cx, http_open(cx, &o, &s), STATUS_IO, "is the port in use");
    o.port = 0;
    o.certificate = o.key = "/nowhere.pem";
    CHECK_FAILS(t, cx, http_open(cx, &o, &s), STATUS_IO, "/nowhere.pem");
    o.certificate = o.key = NULL;
    o.host = "no.such.host.invalid";
    CHECK_FAILS(t, cx, http_open(cx, &o, &s), STATUS_BAD_ARGUMENT, "no address of this machine");
    o.host = "192.0.2.1"; /* of documentation: nobody's */
    CHECK_FAILS(t, cx, http_open(cx, &o, &s), STATUS_BAD_ARGUMENT, "192.0.2.1");
    place_close(&p);
    context_free(cx);
}

/* A server on `host` is reached, or not, at another address of this machine. */
static void reached_beside(test *t, const char *host, bool wanted) {
    context *cx = context_new();
    http_server *s = NULL;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OK(t, cx, http_open(cx, &(http_options){.host = host, .most_connections = 4}, &s));
    to.sin_port = htons((uint16_t)http_port(s));
    bool reached = !connect(fd, (struct sockaddr *)&to, sizeof to);
    CHECK(t, reached == wanted, "on %s: %d", host ? host : "all", reached);
    close(fd);
    http_close(s);
    context_free(cx);
}

static void listens_there_only(test *t) {
    reached_beside(t, "127.0.0.1", false);
    reached_beside(t, "localhost", false);
    reached_beside(t, "0.0.0.0", true); /* control */
    reached_beside(t, NULL, true);
}

const test_case suite_http[] = {{"answers", answers},
                                {"refusals", refusals},
                                {"leaving", leaving, true},
                                {"nonsense", nonsense, true},
                                {"bad_places", bad_places},
                                {"listens_there_only", listens_there_only},
                                {0}};
