/* HTTP/1.1 and TLS under the API, on libwebsockets: one thread turns requests into exchanges, and
 * any thread may answer them.
 *
 *   HTTP thread                                   any thread
 *   headers, body -> http_handlers.handle(x)  ->  http_reply(x, ...)
 *                                                 or http_stream(x), http_send(x)..., http_end(x)
 *   client gone   -> http_handlers.gone(x)
 *
 * Answers go to the exchange's own queue and wake the HTTP thread, which writes as fast as the client
 * reads; a client that lets more than `most_unread_bytes` wait is taken for gone. An exchange lives as
 * long as somebody holds it: the connection does, and whoever calls http_hold.
 *
 * libwebsockets was chosen over libmicrohttpd because it sees a client leave while its request waits
 * for its answer (within a millisecond; a suspended libmicrohttpd connection is not watched), and can
 * take new certificates while it runs. */
#ifndef SERVE_HTTP_H
#define SERVE_HTTP_H

#include "base/status.h"
#include <stdbool.h>

typedef struct http_server http_server;
typedef struct http_exchange http_exchange;

typedef enum http_method { HTTP_GET, HTTP_POST, HTTP_OPTIONS, HTTP_HEAD, HTTP_OTHER } http_method;

/* What was asked; texts are closed by a zero, "" where a header is absent, and live as long as the
 * exchange. A request without an id is given one. */
typedef struct http_request {
    http_method method;
    const char *path;
    const char *authorization, *request_id, *origin, *content_type;
    const char *body;
    int64_t body_bytes;
} http_request;

/* Called on the HTTP thread; `handle` must not wait. */
typedef struct http_handlers {
    void (*handle)(void *user, http_exchange *x);
    /* The client went away before its answer was complete. */
    void (*gone)(void *user, http_exchange *x);
    /* After http_poke; may be NULL. */
    void (*poke)(void *user);
    void *user;
} http_handlers;

typedef struct http_options {
    const char *host;              /* an address or interface; NULL: all */
    int port;                      /* 0: one that is free */
    const char *certificate, *key; /* PEM files; NULL: no TLS */
    const char *cors;              /* origin that may read answers, "*" for any; NULL: none */
    int64_t most_body_bytes, most_connections, most_unread_bytes;
    int idle_seconds; /* a connection that sends nothing, or half a request, is closed after */
    http_handlers handlers;
} http_options;

status http_open(context *cx, const http_options *options, http_server **out) MUST_USE;
void http_close(http_server *s);
int http_port(const http_server *s);
/* Serves until http_stop, which any thread and any signal handler may call. */
void http_run(http_server *s);
void http_stop(http_server *s);
/* Reads the certificate files again; connections that are open keep theirs. */
status http_reload_certificate(http_server *s, context *cx) MUST_USE;
/* Exchanges whose answers have not gone out whole. */
int64_t http_pending(const http_server *s);
/* Has `poke` called on the HTTP thread. */
void http_poke(http_server *s);

const http_request *http_request_of(const http_exchange *x);
/* A place for what the handlers know of it. */
void *http_user_of(const http_exchange *x);
void http_set_user(http_exchange *x, void *user);
void http_hold(http_exchange *x);
void http_release(http_exchange *x);
bool http_is_gone(http_exchange *x);

/* `headers` are lines "name: value\r\n" besides content-type, or NULL. */
void http_reply(http_exchange *x, int code, const char *type, const char *headers,
                const void *bytes, int64_t size_bytes);
/* An answer in pieces, whose length is not known. */
void http_stream(http_exchange *x, int code, const char *type, const char *headers);
/* False: nobody reads any more. */
bool http_send(http_exchange *x, const void *bytes, int64_t size_bytes);
void http_end(http_exchange *x);

#endif
