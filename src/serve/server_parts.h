/* The inside of a server: what server.c (the engine's side) and routes.c (the HTTP thread's) share. */
#ifndef SERVE_SERVER_PARTS_H
#define SERVE_SERVER_PARTS_H

#include "serve/embed.h"
#include "serve/keys.h"
#include "serve/server.h"
#include <pthread.h>
#include <stdatomic.h>

struct server {
    context *cx;
    server_model model;
    server_options options;
    int64_t opened; /* seconds since 1970 */
    http_server *http;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_ready;
    metrics metrics;
    job_world world;

    pthread_mutex_t lock; /* of the queue */
    pthread_cond_t news;
    job *arrived; /* not yet with the engine, oldest first */
    http_exchange **gone;
    int64_t n_gone, cap_gone, n_jobs;
    bool draining, reload;

    /* engine thread only */
    job *running;
    embed_space space;

    /* HTTP thread only */
    encoder *encoder;
    keys *keys; /* NULL: none are asked for */
    api_defaults defaults;
    job_encoders encoders;
};

/* False: too many are waiting, or the server drains. */
bool server_put(server *s, job *j);
void server_put_gone(server *s, http_exchange *x);

/* routes.c */
status server_set_up_web(server *s) MUST_USE;
void server_free_web(server *s);

#endif
