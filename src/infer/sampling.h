/* From logits to a token. What a request asks for is a chain of samplers, each of which changes the candidates'
 * logits or drops candidates; then one of them is drawn:
 *
 *   bias, penalties  >  temperature  >  top-k, top-p, min-p, typical  >  draw
 *
 * the order of transformers. The draw walks the candidates by ascending id until their probabilities pass
 * u, and u is a function of (seed, sample, position) alone, so that a seed gives the same text whatever
 * else runs. At temperature 0 the first of the largest is taken and nothing is dropped.
 *
 * A sampler is a file in infer/sampler. */
#ifndef INFER_SAMPLING_H
#define INFER_SAMPLING_H

#include "base/arena.h"
#include <stdbool.h>

typedef struct sampling_bias {
    int32_t id;
    float bias; /* added to the logit */
} sampling_bias;

typedef struct sampling {
    double temperature; /* 0: the most likely */
    int64_t top_k;      /* 0: all */
    double top_p, min_p, typical_p;
    double repetition_penalty, presence_penalty, frequency_penalty;
    const sampling_bias *bias;
    int64_t n_bias;
    uint64_t seed;
} sampling;

/* Nothing asked for: each sampler off, temperature 1. */
#define SAMPLING_PLAIN                                                                             \
    ((sampling){.temperature = 1, .top_p = 1, .typical_p = 1, .repetition_penalty = 1})

typedef struct candidate {
    int32_t id;
    float logit;
} candidate;

typedef struct candidates {
    candidate *list;
    int32_t n;
    bool mixed; /* no longer by ascending id */
    /* What came before: the prompt and then what was drawn. */
    const int32_t *tokens;
    int64_t n_prompt, n_tokens;
    /* A count for each id of the vocabulary, zero before and after a sampler uses it. */
    int32_t *count;
    candidate *spare; /* as long as the vocabulary */
} candidates;

typedef struct sampler_def {
    const char *name, *help;
    int32_t order; /* smaller goes first */
    bool (*wanted)(const sampling *p);
    void (*apply)(const sampling *p, candidates *c);
} sampler_def;
extern const sampler_def *const registry_sampler[];

/* What is out of its range, by name, is a bad argument. */
status sampling_check(context *cx, const sampling *p) MUST_USE;

/* Memory for one thread that samples from `vocabulary` logits. */
typedef struct sampling_space {
    candidate *list, *spare;
    float *kept; /* room for the logits, for callers */
    int32_t *count, vocabulary;
} sampling_space;
status sampling_space_make(arena *mem, int32_t vocabulary, sampling_space *out) MUST_USE;

/* The token after tokens[0 .. n_tokens), the first n_prompt of which are the prompt. `sample` tells the samples of
 * one request apart. Logits that are not numbers count as the lowest. */
typedef struct sampling_place {
    const int32_t *tokens;
    int64_t n_prompt, n_tokens, sample;
} sampling_place;
int32_t sampling_draw(const sampling *p, const sampling_place *at, const float *logits,
                      sampling_space *space);

/* The distribution that sampling_draw draws from, as a number for each token; `out` may be `logits`. */
void sampling_chances(const sampling *p, const sampling_place *at, const float *logits,
                      sampling_space *space, float *out);
/* A draw from such a distribution with the noise of sampling_draw. */
int32_t sampling_pick(const sampling *p, const sampling_place *at, const float *chances, int32_t n);
/* Judges `guess`, which was drawn from `from` (NULL: it was all that was considered), so that the result is a draw
 * from `chances`: it is kept with probability min(1, chances / from), else the draw is from what `chances` has over
 * `from`, made one again. Its noise is independent of sampling_draw's. (Leviathan et al. 2023, section 2.3) */
int32_t sampling_judge(const sampling *p, const sampling_place *at, const float *chances,
                       const float *from, int32_t n, int32_t guess);

/* log-softmax: the logarithm of a token's probability is its logit less this. */
double sampling_log_sum(const float *logits, int32_t n);
/* The k most likely, most likely first (of equals the smaller id); returns how many there are. */
int32_t sampling_likely(const float *logits, int32_t n, int32_t k, candidate *out);

/* ---- for samplers ---- */
/* Sorts the first `k` most likely to the front, in descending order; of equals the smaller id first. */
void candidates_sort_front(candidates *c, int32_t k);
/* exp(logit - largest), and the sum over all. */
double candidates_sum(const candidates *c, float *largest);

#endif
