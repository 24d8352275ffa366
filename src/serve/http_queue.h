/* The bytes of one answer on their way from the thread that makes them to the HTTP thread, and who
 * still holds the exchange. Inside of http.c and http_queue.c only. */
#ifndef SERVE_HTTP_QUEUE_H
#define SERVE_HTTP_QUEUE_H

#include "serve/http.h"
#include <pthread.h>

typedef enum http_stage {
    HTTP_WAITING,  /* nothing answered yet */
    HTTP_SENDING,  /* headers are queued, more may follow */
    HTTP_COMPLETE, /* all is queued */
} http_stage;

struct http_exchange {
    http_server *server;
    context *cx; /* memory of the request and of the queue, under `lock` once handled */
    void *wsi;   /* the connection; NULL when it is gone. HTTP thread only */
    http_request request;
    char *body;
    int64_t body_bytes, body_capacity;
    int refused; /* an HTTP status that was decided before the body was read; 0: none */
    bool handled;
    void *user;

    pthread_mutex_t lock;
    http_stage stage;
    bool chunked, gone, is_head;
    char *queue; /* status line, headers and body, ready for the wire */
    int64_t queued, sent, capacity;
    int holders;
    bool listed; /* on the server's list of exchanges that have something to write */
    http_exchange *next;
};

http_exchange *http_exchange_new(http_server *s);
/* Appends to the request's body; false: memory. */
bool http_exchange_body(http_exchange *x, const void *bytes, int64_t size_bytes);

/* What http.c gives the queue: the limit on unread bytes, headers for every answer, and a wake-up. */
int64_t http_most_unread(const http_server *s);
const char *http_cors(const http_server *s);
void http_wake(http_server *s, http_exchange *x);

#endif
