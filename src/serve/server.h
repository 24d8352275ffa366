/* The server: one thread for HTTP, one for the engine, a bounded queue between them.
 *
 *   HTTP thread                                   engine thread (the caller of server_run)
 *   keys, routes, JSON, templates, encoding       takes jobs, engine_step, events -> answers
 *        |  job, or: its client is gone  ------------------->  |
 *        |  <----------------------------- bytes on the exchange's queue (serve/http.h)
 *
 * Draining: requests in flight finish, new ones get 503, then server_run returns. */
#ifndef SERVE_SERVER_H
#define SERVE_SERVER_H

#include "infer/chat.h"
#include "infer/embed.h"
#include "serve/http.h"

typedef struct server server;

typedef struct server_options {
    http_options http;      /* its handlers are the server's */
    const char *name;       /* of the model, in answers */
    const char *keys_file;  /* NULL: no key is asked for */
    const char *dialect;    /* of tool calls; NULL: as the chat template tells */
    int64_t most_jobs;      /* at once, waiting or running */
    double timeout_seconds; /* of a request, from its arrival; 0: none */
} server_options;

/* What it serves; all must outlive the server. The engine or embedder and `engine_cx` are used on the thread that runs,
 * `chat` and its context `web_cx` on the HTTP thread. */
typedef struct server_model {
    context *engine_cx, *web_cx;
    engine *engine;     /* NULL: it makes vectors */
    embedder *embedder; /* NULL: it writes text */
    const model_config *config;
    const tokenizer *tokens;
    const chat *chat;
} server_model;

/* Listens and answers from here on (with 503 until server_run). */
status server_open(context *cx, const server_model *m, const server_options *o,
                   server **out) MUST_USE;
void server_close(server *s); /* NULL is fine */
int server_port(const server *s);
/* Until it has drained. Fails when the engine does. */
status server_run(server *s) MUST_USE;
/* From any thread, but no signal handler. */
void server_drain(server *s);
/* Reads keys and certificates again; what cannot be read leaves the old ones, and is logged. */
void server_reload(server *s);

#endif
