/* The inside of an engine: requests, each with its samples; the plan; what a step fills in and reads. */
#ifndef INFER_ENGINE_PARTS_H
#define INFER_ENGINE_PARTS_H

#include "exec/plan.h"
#include "infer/engine.h"
#include "infer/pace.h"
#include "infer/reading.h"
#include "infer/speculate.h"

typedef struct request request;

/* One sample of a request. */
typedef struct voice {
    sequence s; /* `owner` is the voice */
    request *of;
    int32_t number;
    int32_t *tokens; /* prompt and what was drawn */
    speech speech;
    bool
        waits_for_first; /* the first sample computes the prompt, whose pages the others then share */
    bool done;
    pace_voice pace;
    int32_t n_accepted;   /* guesses of this step that were right */
    bool agrees;          /* the token that was drawn last is the one that was guessed there */
    const float *chances; /* that this step's guesses were drawn from; NULL: none */
} voice;

struct request {
    arena mem;
    engine_request ask; /* with copies of what it points to */
    uint64_t id;
    int64_t most; /* tokens, prompt included */
    bool most_is_context;
    bool cancelled;
    voice *voices;
    int32_t n_done;
    request *next;
};

/* One row of logits and what becomes of it. */
typedef struct row_job {
    voice *v;
    int64_t position; /* of the token whose logits these are */
    bool draws;       /* no later token is known: the next is drawn */
    bool guessed;     /* the token at `position` is a guess, wrong unless the row before drew it */
    const float *chances;
    int32_t drawn, n_likely;
    double logprob; /* of the next token, known or drawn */
    candidate likely[ENGINE_MOST_LIKELY];
} row_job;

/* Who guesses, and room for what it is asked. */
typedef struct guessing {
    const speculate_def *def; /* NULL: nobody */
    void *state;
    int32_t most;
    speculate_ask *asks;
    pace_voice **paces;
    int32_t *want;
} guessing;

typedef struct kv_state {
    char *data;
    int64_t page_bytes;
} kv_state;

struct engine {
    context *cx;
    arena mem;
    engine_model model;
    engine_options options;
    graph *g;
    states *store;
    plan *p;
    pool *workers, *own_workers;
    schedule schedule;
    guessing guessing;
    pace pace;
    reading reading;
    int32_t *ids, *positions, *offsets, *slots, *k_offsets, *table, *rows; /* inputs of the plan */
    value logits;
    kv_state *kv;
    int32_t n_kv;
    row_job *jobs;
    int32_t n_jobs;
    sampling_space *spaces; /* one a thread */
    request *requests;      /* in the order of arrival */
    uint64_t last_id;
    int64_t live; /* samples that are not done */
    engine_stats stats;
};

/* engine_build.c: defaults within what the model can; the graph of a step; its plan. */
status engine_settle(context *cx, const engine_model *m, const engine_options *o,
                     engine_options *out) MUST_USE;
status engine_build(engine *e) MUST_USE;
/* Rows of logits of a step at most. */
int64_t engine_rows(const engine *e);
/* engine_guess.c: opens what the options ask for; guesses for all that decode, before a step; after it, counts. */
status engine_open_guessing(engine *e) MUST_USE;
void engine_close_guessing(engine *e);
status engine_guess(engine *e) MUST_USE;
void engine_count_guesses(engine *e);
/* engine.c */
void engine_sweep(engine *e);
void engine_finish_voice(engine *e, voice *v, engine_event *event, engine_finish why);

#endif
