/* The one loop that generates: for `hone run`, the server, samples during training, evaluation. Requests come and go
 * at any time; every step takes what the schedule says (infer/schedule.h), runs one plan over all of it,
 * draws a token for each sequence that is through its known tokens, and tells the requests' callbacks.
 *
 *   engine_open(cx, &model, &options, &e)
 *   engine_submit(e, &request, &id);             from the callback too
 *   while (engine_busy(e)) engine_step(e);       callbacks run in here
 *   engine_close(e)
 *
 * What a request gets does not depend on what else runs: logits are equal bits, and noise is keyed by seed
 * and position. An engine belongs to one thread; nothing of it is global. */
#ifndef INFER_ENGINE_H
#define INFER_ENGINE_H

#include "base/pool.h"
#include "infer/sampling.h"
#include "infer/schedule.h"
#include "infer/speech.h"
#include "model/kit/model.h"

typedef struct engine engine;
struct plan;

/* What generates. All must outlive the engine. */
typedef struct engine_model {
    const model_config *config;
    const model_def *def; /* NULL: by the configuration's type */
    /* Storage format of each parameter; NULL: f32. */
    const num_format *(*format)(void *user, const char *name, int32_t rank);
    /* Gives the store the parameters that the graph asks for. */
    status (*fill)(void *user, states *store, const graph *g);
    void *user;
    const tokenizer *tokens; /* NULL: ids only */
    /* Identifies the parameters' contents, so that their packed layouts can be kept in a file (infer/weights.h); 0:
     * they are made anew. */
    uint64_t key;
    model *file; /* the mapped files that parameters lie in, released when packed; NULL: none */
} engine_model;

/* The parts of a model that was opened from its files. */
engine_model engine_model_of(model *m, const tokenizer *tokens);
/* For `fill`: lends the parameters of another store. */
status engine_borrow(const states *from, states *store, const graph *g) MUST_USE;

/* Zero means the default. */
typedef struct engine_options {
    int64_t context;       /* tokens of a sequence; what the model can, at most ENGINE_CONTEXT */
    int64_t tokens;        /* in a step: 512 */
    int64_t sequences;     /* in a step: 32 */
    int64_t queue;         /* samples known at once: 1024 */
    int64_t page;          /* slots in a page: 16 */
    int64_t kv_tokens;     /* slots in all; a context for each sequence, within memory */
    const char *kv_format; /* bf16 */
    const char *policy;    /* first_come */
    /* While others decode, prompts are cut so that a step takes no longer than this, or else than so many times a step
     * of the decodes alone, and more beside a long prompt; 0: no matter. */
    double step_seconds, step_stretch;
    /* What meets quantised weights: bf16, or int8 (the default); int8_row: both sides of layers in int8 */
    const char *act;
    bool forgets_prefixes;            /* pages are not kept for requests that begin alike */
    const char *speculate;            /* who guesses ahead (infer/speculate.h); NULL: nobody */
    const struct engine_model *draft; /* for those that need one; must outlive the engine */
    int64_t guesses;                  /* at once, for a sequence; what suits the guesser */
    bool guesses_always;              /* whether it pays or not */
    bool rejects;    /* guesses are judged by rejection: keeps the distribution, not the text */
    int64_t threads; /* all that can run at once */
    pool *workers;   /* NULL: a pool of its own, of so many threads */
    /* Sees each step after it ran, as it is bound, and its seconds; NULL: nobody. */
    void (*stepped)(void *user, const struct plan *p, double seconds);
    void *stepped_user;
    bool unfused; /* to measure what fusion is worth */
    bool dry_run; /* plans only (engine_plan): no memory is taken, nothing can run */
} engine_options;

/* The stretch of a server that nobody told otherwise: of 16 streams of 110 million parameters the slowest hundredth of
 * the gaps takes 0.02 s, where it took 0.09 without, at the same tokens a second. */
#define ENGINE_STRETCH 2.5

enum { ENGINE_CONTEXT = 8192, ENGINE_MOST_LIKELY = 20, ENGINE_MOST_SAMPLES = 128 };

/* What it takes, before anything is loaded. */
typedef struct engine_need {
    int64_t parameter_bytes, kv_bytes, kv_token_bytes, context;
} engine_need;
status engine_measure(context *cx, const engine_model *m, const engine_options *o,
                      engine_need *out) MUST_USE;

typedef enum engine_finish {
    ENGINE_GOES_ON,
    ENGINE_STOP,   /* an end token, or a stop string */
    ENGINE_LENGTH, /* as many tokens as were asked for */
    ENGINE_FULL,   /* the context is full */
    ENGINE_CANCELLED,
} engine_finish;
const char *engine_finish_name(engine_finish f);

/* News of one sample. `id` is a token that was drawn, or (where `index` is negative) the prompt's token n_prompt +
 * index; -1: none. */
typedef struct engine_event {
    uint64_t request;
    int32_t sample, id;
    int64_t index;    /* tokens drawn before */
    const char *text; /* to show now, not closed by a zero */
    int64_t text_bytes;
    double logprob;          /* where asked for */
    const candidate *likely; /* with logarithms of probabilities, most likely first */
    int32_t n_likely;
    const float *chances; /* where asked for: of each token of the vocabulary, after all samplers */
    engine_finish finish;
} engine_event;

typedef struct engine_request {
    const int32_t *prompt; /* copied, as all else */
    int64_t n_prompt;
    int64_t most_tokens;  /* negative: what the context leaves */
    int64_t least_tokens; /* before which an end token or stop string does not end it */
    int32_t samples;      /* 0 counts as 1 */
    int32_t first_sample; /* its number, for the noise; the others' follow */
    sampling sampling;
    const stop_text *stops;
    int64_t n_stops;
    const int32_t *stop_ids; /* besides the model's end tokens */
    int64_t n_stop_ids;
    bool ignore_end;   /* the model's end tokens do not end it */
    bool show_special; /* special tokens are shown in the text */
    bool logprobs, prompt_logprobs;
    int32_t likely;     /* how many likely tokens beside each, with logprobs */
    bool wants_chances; /* events tell the distribution that a token was drawn from */
    int64_t priority;   /* smaller goes first, under the policy `priority` */
    uint64_t client;    /* whose it is, for the policy `fair` */
    const char
        *salt; /* requests of different salts never share keys and values; NULL counts as one */
    void (*tell)(void *user, const engine_event *event);
    void *user;
} engine_request;

status engine_open(context *cx, const engine_model *m, const engine_options *o,
                   engine **out) MUST_USE;
void engine_close(engine *e); /* NULL is fine; requests that still run are told nothing */
/* The parameters have changed: what follows from them is made anew. Nothing may be running. */
status engine_refresh(engine *e) MUST_USE;

/* STATUS_BUSY: the queue is full. */
status engine_submit(engine *e, const engine_request *r, uint64_t *id) MUST_USE;
/* Ends it before the next step; of a request that is gone, nothing. */
void engine_cancel(engine *e, uint64_t id);
status engine_step(engine *e) MUST_USE;
bool engine_busy(const engine *e);

typedef struct engine_stats {
    int64_t running, waiting, pages_used, pages;
    int64_t slots_held, slots_filled; /* of the pages of those that run: all, and with a token */
    int64_t steps, prompt_tokens, drawn_tokens, sent_back;
    int64_t guessed, accepted; /* tokens guessed ahead, and those that were right */
    int64_t prefix_asked,
        prefix_found; /* tokens looked for among those known, and those that were */
} engine_stats;
engine_stats engine_look(const engine *e);
int64_t engine_context(const engine *e);

/* For showing and measuring: the plan that every step runs. */
struct plan;
const struct plan *engine_plan(const engine *e);

#endif
