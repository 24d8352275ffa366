/* Answers: composed here by any thread, written out by the HTTP thread. */
#include "serve/http_queue.h"
#include <stdio.h>
#include <string.h>

http_exchange *http_exchange_new(http_server *s) {
    context *cx = context_new();
    http_exchange *x = cx ? context_zalloc(cx, sizeof *x) : NULL;
    if (!x) {
        context_free(cx);
        return NULL;
    }
    *x = (http_exchange){.server = s, .cx = cx, .holders = 1};
    pthread_mutex_init(&x->lock, NULL);
    return x;
}

void http_hold(http_exchange *x) {
    pthread_mutex_lock(&x->lock);
    x->holders++;
    pthread_mutex_unlock(&x->lock);
}

void http_release(http_exchange *x) {
    if (!x) return;
    pthread_mutex_lock(&x->lock);
    bool last = --x->holders == 0;
    pthread_mutex_unlock(&x->lock);
    if (!last) return;
    context *cx = x->cx;
    const void *texts[] = {x->request.path,   x->request.authorization, x->request.request_id,
                           x->request.origin, x->request.content_type,  x->body,
                           x->queue};
    for (int64_t i = 0; i < COUNT_OF(texts); i++) context_release(cx, (void *)texts[i]);
    pthread_mutex_destroy(&x->lock);
    context_release(cx, x);
    context_free(cx);
}

/* Makes room for `more` bytes and a zero behind `used`, doubling. */
static bool reserve(context *cx, char **bytes, int64_t *capacity, int64_t used, int64_t more) {
    if (used + more + 1 <= *capacity) return true;
    int64_t wanted = MAX_OF(MAX_OF(*capacity * 2, 1024), used + more + 1);
    char *grown = context_alloc(cx, (size_t)wanted);
    if (!grown) return false;
    if (used) memcpy(grown, *bytes, (size_t)used);
    context_release(cx, *bytes);
    *bytes = grown;
    *capacity = wanted;
    return true;
}

bool http_exchange_body(http_exchange *x, const void *bytes, int64_t size_bytes) {
    if (!reserve(x->cx, &x->body, &x->body_capacity, x->body_bytes, size_bytes)) return false;
    if (size_bytes) memcpy(x->body + x->body_bytes, bytes, (size_t)size_bytes);
    x->body_bytes += size_bytes;
    x->body[x->body_bytes] = 0;
    return true;
}

/* ---- the queue; callers hold the lock ---- */

/* A client that reads too slowly, or for whom there is no memory, counts as gone. */
static bool put(http_exchange *x, const void *bytes, int64_t size_bytes) {
    if (x->gone || x->stage == HTTP_COMPLETE) return false;
    if (x->sent == x->queued) x->sent = x->queued = 0;
    bool fits = x->queued - x->sent + size_bytes <= http_most_unread(x->server);
    if (!fits || !reserve(x->cx, &x->queue, &x->capacity, x->queued, size_bytes)) {
        x->gone = true;
        return false;
    }
    memcpy(x->queue + x->queued, bytes, (size_t)size_bytes);
    x->queued += size_bytes;
    return true;
}

static const char *phrase(int code) {
    static const struct {
        int code;
        const char *words;
    } phrases[] = {{200, "OK"},
                   {204, "No Content"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {411, "Length Required"},
                   {413, "Content Too Large"},
                   {429, "Too Many Requests"},
                   {500, "Internal Server Error"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"}};
    for (int64_t i = 0; i < COUNT_OF(phrases); i++)
        if (phrases[i].code == code) return phrases[i].words;
    return "Unknown";
}

/* `length` negative: chunks follow. */
static void put_head(http_exchange *x, int code, const char *type, const char *headers,
                     int64_t length) {
    char head[1024], size[64] = "transfer-encoding: chunked\r\n";
    const char *cors = http_cors(x->server), *id = x->request.request_id;
    if (length >= 0) snprintf(size, sizeof size, "content-length: %lld\r\n", (long long)length);
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\ncontent-type: %s\r\n%s%s", code,
                     phrase(code), type, size, headers ? headers : "");
    if (n > 0 && n < (int)sizeof head && id && *id)
        n += snprintf(head + n, sizeof head - (size_t)n, "x-request-id: %s\r\n", id);
    if (n > 0 && n < (int)sizeof head && cors)
        n += snprintf(head + n, sizeof head - (size_t)n,
                      "access-control-allow-origin: %s\r\n"
                      "access-control-allow-headers: authorization, *\r\n"
                      "access-control-allow-methods: GET, POST, OPTIONS\r\n",
                      cors);
    if (n > 0 && n < (int)sizeof head) n += snprintf(head + n, sizeof head - (size_t)n, "\r\n");
    if (n <= 0 || n >= (int)sizeof head)
        x->gone = true; /* no header that the server writes is that long */
    else
        put(x, head, n);
}

/* ---- answering ---- */

void http_reply(http_exchange *x, int code, const char *type, const char *headers,
                const void *bytes, int64_t size_bytes) {
    pthread_mutex_lock(&x->lock);
    if (x->stage == HTTP_WAITING) {
        put_head(x, code, type, headers, size_bytes);
        if (size_bytes && !x->is_head) put(x, bytes, size_bytes);
        x->stage = HTTP_COMPLETE;
    }
    pthread_mutex_unlock(&x->lock);
    http_wake(x->server, x);
}

void http_stream(http_exchange *x, int code, const char *type, const char *headers) {
    pthread_mutex_lock(&x->lock);
    if (x->stage == HTTP_WAITING) {
        x->chunked = true;
        put_head(x, code, type, headers, -1);
        x->stage = HTTP_SENDING;
    }
    pthread_mutex_unlock(&x->lock);
    http_wake(x->server, x);
}

bool http_send(http_exchange *x, const void *bytes, int64_t size_bytes) {
    pthread_mutex_lock(&x->lock);
    bool sent = !x->gone;
    if (sent && size_bytes && x->stage == HTTP_SENDING) { /* an empty chunk would end the answer */
        char size[32];
        int n = snprintf(size, sizeof size, "%llx\r\n", (unsigned long long)size_bytes);
        sent = put(x, size, n) && put(x, bytes, size_bytes) && put(x, "\r\n", 2);
    }
    pthread_mutex_unlock(&x->lock);
    http_wake(x->server, x);
    return sent;
}

void http_end(http_exchange *x) {
    pthread_mutex_lock(&x->lock);
    if (x->stage == HTTP_SENDING) {
        put(x, "0\r\n\r\n", 5);
        x->stage = HTTP_COMPLETE;
    }
    pthread_mutex_unlock(&x->lock);
    http_wake(x->server, x);
}

const http_request *http_request_of(const http_exchange *x) {
    return &x->request;
}
void *http_user_of(const http_exchange *x) {
    return x->user;
}
void http_set_user(http_exchange *x, void *user) {
    x->user = user;
}
bool http_is_gone(http_exchange *x) {
    pthread_mutex_lock(&x->lock);
    bool gone = x->gone;
    pthread_mutex_unlock(&x->lock);
    return gone;
}
