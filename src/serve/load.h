/* A load on a server that speaks OpenAI's completions, and what it answered: the measuring half of
 * `hone bench serve`.
 *
 * Closed loop: so many streams, each sending its next request when the last one is answered. Open loop: arrivals at
 * random (a Poisson process), whether the server keeps up or not. Prompts are lists of random token ids, all
 * distinct, so that no prefix cache helps; lengths are drawn from a distribution. All is a function of the seed. */
#ifndef SERVE_LOAD_H
#define SERVE_LOAD_H

#include "base/arena.h"
#include <stdbool.h>

typedef enum load_shape { LOAD_FIXED, LOAD_UNIFORM, LOAD_LOGNORMAL, LOAD_EXPONENTIAL } load_shape;

/* A distribution of lengths: "128", "uniform:64-256", "lognormal:161", "exponential:338" (means). */
typedef struct load_lengths {
    load_shape shape;
    double low, high, mean;
} load_lengths;
status load_lengths_read(context *cx, const char *option, const char *text,
                         load_lengths *out) MUST_USE;
/* The length at a quantile `u` of the distribution, and a standard normal number for the lognormal one. */
int64_t load_length(const load_lengths *l, double u, double normal);

typedef struct load_options {
    const char *url, *key, *model; /* model NULL: the first that the server lists */
    int64_t streams;               /* closed loop; 0: open */
    double rate;                   /* requests a second of the open loop */
    int64_t requests;
    load_lengths prompt, output;
    int64_t vocabulary; /* ids of prompts are below */
    uint64_t seed;
    double timeout_seconds; /* for one request */
    void (*progress)(void *user, int64_t done);
    void *user;
} load_options;

typedef struct load_record {
    double began, first, ended; /* seconds since the start; first 0: no token came */
    int64_t prompt_tokens, tokens, wanted_tokens;
    int code;          /* HTTP status; 0: the connection failed */
    const char *error; /* NULL: all is well */
} load_record;

typedef struct load_result {
    load_record *records;
    int64_t n_records;
    double *gaps; /* between the tokens of one request, all requests */
    int64_t n_gaps;
    double seconds;
} load_result;

/* Everything of the result is in `mem`. Fails when the server cannot be reached at all; a request that fails is a
 * record. */
status load_run(context *cx, arena *mem, const load_options *options, load_result *out) MUST_USE;

#endif
