/* A whole server in this process, over a tiny model with random weights and a tokenizer of single bytes. */
#ifndef TEST_KIT_SHOP_H
#define TEST_KIT_SHOP_H

#include "kit/dial.h"
#include "serve/server.h"
#include "test.h"
#include <pthread.h>

enum { SHOP_ANSWER = 1 << 18 };

typedef struct shop {
    context *cx, *web_cx;
    model_config config;
    tokenizer *tokens;
    chat *chat;
    engine *engine;
    embedder *embedder;
    server *server;
    pthread_t thread;
    bool has_thread;
    status ended;
    int port;
} shop;

/* Zero is what suits a test; of `server.http`, what is not zero counts. */
typedef struct shop_way {
    server_options server;
    engine_options engine;
    bool makes_vectors;
    bool endless; /* no token ends an answer */
} shop_way;

/* Opens, runs `body` and closes, whether its checks hold or not. */
void in_shop(test *t, const shop_way *way, void (*body)(test *t, shop *s));
/* POST /v1/completions; `out` has room for SHOP_ANSWER bytes. */
int shop_complete(const shop *s, const char *body, char *out);
/* The value of the first line of /metrics that has `name`, and whether it becomes `wanted` within seconds. */
double shop_metric(const shop *s, const char *name);
bool shop_settles(const shop *s, const char *name, double wanted);
/* For bodies that see the server end: waits until it has. */
void shop_wait(shop *s);

#endif
