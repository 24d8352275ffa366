/* Requests to an engine and what they were told, bit by bit: for tests that a request gets the same bits alone and
 * among others, in any chunks, pages and formats of the cache. */
#ifndef TEST_KIT_ENGINE_LAB_H
#define TEST_KIT_ENGINE_LAB_H

#include "infer/engine.h"
#include "test.h"

enum { LAB_MOST_NEWS = 400, LAB_LIKELY = 5 };

typedef struct news {
    int32_t id, sample;
    int64_t index;
    double logprob;
    candidate likely[LAB_LIKELY];
    engine_finish finish;
} news;

/* All that one request was told. */
typedef struct diary {
    news all[LAB_MOST_NEWS];
    int32_t n;
    engine_finish finish;
    engine *cancels; /* cancels the request at the third token */
} diary;

bool diary_same(const diary *a, const diary *b);

/* A request whose prompt is drawn by `seed` from tokens of [6, vocabulary), chosen greedily where the seed is odd; its
 * prompt is good until the next. */
engine_request lab_ask(uint64_t seed, int64_t vocabulary, int64_t prompt, int64_t most, diary *d);
/* Steps until nobody runs. */
status lab_run(engine *e);

/* The model that is tried, and how long the requests are that fit it. */
typedef struct lab_model {
    engine_model m;
    int64_t context;                   /* 0: the model's */
    int64_t prompt, drawn;             /* of the request that is watched */
    int64_t other_prompt, other_drawn; /* the longest of the others */
} lab_model;

/* How the engine runs while the request is watched; zero: as the engine would. */
typedef struct lab_way {
    int64_t tokens, page, others, kv_tokens;
} lab_way;

/* The watched request alone on one thread, then in each way on two: the same bits in each format of the cache, and
 * others between formats. */
void lab_alone_and_among(test *t, const lab_model *m, const char *const *formats, int n_formats,
                         const lab_way *ways, int n_ways);

#endif
