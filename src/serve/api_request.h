/* What a request to the API asks for, read from its JSON body and checked.
 *
 * The body becomes a tree in the request's arena; one table of fields says which member each key sets,
 * within which range, and for which endpoint. A key that is in no table, has the wrong type or lies out
 * of range is refused by its name; keys that only describe the caller (metadata, store ...) are taken and
 * not used; keys that ask for what this server does not do are refused unless their value asks for
 * nothing. */
#ifndef SERVE_API_REQUEST_H
#define SERVE_API_REQUEST_H

#include "infer/sampling.h"
#include "infer/speech.h"
#include "text/template_value.h"

typedef enum api_endpoint {
    API_COMPLETIONS = 1,
    API_CHAT = 2,
    API_EMBEDDINGS = 4,
    API_TOKENIZE = 8,
    API_DETOKENIZE = 16
} api_endpoint;

enum { API_MOST_PROMPTS = 2048, API_MOST_STOPS = 16, API_MOST_BIASES = 1024 };

/* Text or ids, one of them. */
typedef struct api_prompt {
    const char *text; /* NULL: ids */
    int64_t text_bytes;
    const int32_t *ids;
    int64_t n_ids;
} api_prompt;

typedef struct api_request {
    api_endpoint endpoint;
    const char *model; /* NULL: not said */
    const char *user;  /* NULL: not said */
    /* completions, embeddings, tokenize, detokenize */
    const api_prompt *prompts;
    int64_t n_prompts;
    bool prompt_is_list; /* `prompt` came as a list of prompts */
    /* chat */
    template_value messages, tools, template_values; /* undefined: not given */
    bool no_tools;                                   /* tool_choice: "none" */
    bool add_generation_prompt;

    int64_t most_tokens; /* -1: what the context leaves */
    int64_t least_tokens;
    int64_t n, best_of; /* best_of 0: n */
    bool stream, include_usage, echo, ignore_end;
    int64_t logprobs;  /* -1: none; else how many likely tokens beside the chosen one */
    sampling sampling; /* its seed counts where has_seed */
    bool has_seed;
    stop_text stops[API_MOST_STOPS];
    int64_t n_stops;
    int64_t priority;
    const char *cache_salt; /* requests of different salts never share cached prompts */
    bool add_special_tokens;
    /* embeddings */
    bool base64;        /* encoding_format */
    int64_t dimensions; /* 0: those of the model */
} api_request;

/* What is wrong with a request, as the API reports it. */
typedef struct api_problem {
    int code;                    /* HTTP status */
    const char *message, *param; /* param: the field, or NULL */
    const char *headers;         /* beside those that go with the code, each line ended; or NULL */
} api_problem;

/* What a model recommends where a request is silent. */
typedef struct api_defaults {
    double temperature, top_p, repetition_penalty;
    int64_t top_k;
} api_defaults;

/* False: *problem says what is wrong. All is taken from `a` and may point into `body`. */
bool api_request_read(arena *a, api_endpoint endpoint, const api_defaults *defaults,
                      const char *body, int64_t body_bytes, api_request *out,
                      api_problem *problem) MUST_USE;

#endif
