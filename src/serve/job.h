/* One request to the API that generates, from its arrival to its last byte.
 *
 *   HTTP thread    job_new: reads the body, renders the template, encodes the prompts
 *   engine thread  job_submit, then job_tell for each event of the engine, then job_free
 *
 * In between it lies in the server's queue. Of a job's choices, choice p * samples + i is sample i of prompt p. */
#ifndef SERVE_JOB_H
#define SERVE_JOB_H

#include "infer/engine.h"
#include "serve/answer.h"
#include "serve/api_request.h"
#include "serve/http.h"
#include "serve/metrics.h"

/* What jobs need to know of the server; constant while it runs. */
typedef struct job_world {
    const char *model; /* as it is called in answers */
    const tokenizer *tokens;
    const answer_dialect *dialect;
    metrics *metrics;
    int64_t most_context, vocabulary;
    bool asks_for_keys;
    int64_t width;      /* of the vectors it makes; 0: it writes text */
    context *engine_cx; /* where the engine says what went wrong; on its thread only */
} job_world;

/* A token with its logprob, for answers that are not streamed. */
typedef struct job_token {
    int32_t id;
    bool first; /* of the prompt: it has no logprob */
    double logprob;
    int32_t n_likely;
    candidate *likely;
    struct job_token *next;
} job_token;

typedef struct job_choice {
    struct job *of;
    int32_t index, sample;
    struct job_prompt *prompt;
    text_buffer content, reasoning, calls; /* calls: JSON objects with commas between */
    answer_reader reader;
    int32_t n_calls;
    int64_t n_tokens, offset; /* offset: characters told so far, for text_offset */
    double logprob_sum;
    job_token *first_token, **last_token;
    engine_finish finish;
    bool done, said_role;
} job_choice;

typedef struct job_prompt {
    struct job *of;
    const int32_t *ids;
    int64_t n_ids;
    const char *text; /* as given, for echo; NULL: from the ids */
    int64_t text_bytes;
    uint64_t engine_id;
    int32_t first_choice;
} job_prompt;

typedef struct job {
    const job_world *world;
    context *cx;
    arena mem;
    http_exchange *x; /* held */
    api_request q;
    char id[48];
    uint64_t client; /* whose it is: by key, else as the request says */
    int64_t created;
    job_prompt *prompts;
    job_choice *choices;
    int32_t n_prompts, samples, n_choices, n_done;
    int64_t prompt_tokens;
    double arrived, submitted, first, last; /* seconds */
    bool cancelled, failed;                 /* failed: it was answered with an error, and counted */
    struct job *next;
} job;

/* How a chat's messages become ids; a function of the server, since templates are read below. */
typedef struct job_encoders {
    status (*text)(void *user, const char *text, int64_t length, bool special, token_list *out);
    status (*messages)(void *user, const api_request *q, token_list *out);
    void *user;
    context *cx; /* where they say what went wrong */
} job_encoders;

/* NULL: *problem says why. */
job *job_new(const job_world *world, const job_encoders *encoders, api_endpoint endpoint,
             const api_defaults *defaults, http_exchange *x, api_problem *problem);
/* Encodes one prompt of a request. */
bool job_encode(arena *mem, const job_encoders *encoders, const api_request *q, int64_t which,
                job_prompt *out, api_problem *problem);
void job_free(job *j);

/* Hands all prompts to the engine (NULL: they become vectors). False: the request was answered with an error. */
bool job_submit(job *j, engine *e);
void job_cancel(job *j, engine *e);
/* An engine_request's `tell`; `user` is a job_prompt. */
void job_tell(void *user, const engine_event *event);
static inline bool job_done(const job *j) {
    return j->n_done == j->n_choices;
}
/* Counts and logs a job that is done. */
void job_sum_up(job *j);
/* Ends a job that cannot go on. */
void job_fail(job *j, int code, const char *message);

#endif
