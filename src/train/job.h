/* A run from its description to its folder:
 *
 *   config.json, model.safetensors, tokenizer.*     the result, as transformers opens it
 *   checkpoint-last.safetensors, checkpoint-best.safetensors
 *   lock                                            held (flock) by the process that trains
 *
 * Everything that can be refused is refused before time is spent: a folder in use or with another run in it, a
 * vocabulary that does not fit, a plan that does not fit the memory. */
#ifndef TRAIN_JOB_H
#define TRAIN_JOB_H

#include "train/language.h"

typedef struct job_options {
    const char *data, *folder; /* token set; result */
    /* Makes the data, once the folder is this job's alone; gives its place. NULL: it is there. */
    status (*prepare)(void *user, const char **data);
    /* Memory that the job's maker takes while it runs, once the model is known. NULL: none. */
    status (*beside)(void *user, const model_config *config, int64_t *bytes);
    void *user;
    const char *from;         /* a saved model to go on from; NULL: drawn from the seed */
    model_config config;      /* where nothing is given; its vocabulary becomes the data's, */
    int64_t least_vocabulary; /* or this, where that is more */
    step_options step;        /* bounds are set from what follows */
    trainer_options trainer;  /* folder and job are set */
    int64_t batch, context;   /* sequences of so many ids in a micro-batch */
    bool windows;             /* sequences from anywhere instead of whole documents in turn */
    bool resume, best;        /* best: the result is the best checkpoint, not the last */
    const char *format;       /* of the result: f32, bf16, f16 */
    int threads;
    const char *described; /* lines "key=value" of what must not change, for the checkpoint */
} job_options;

typedef struct job_result {
    int64_t steps, tokens, parameters, planned_bytes, peak_bytes;
    double train_loss, validation_loss, best_loss, seconds, token_rate, flop_rate;
    bool stopped;
    char weights_sha256[SHA256_TEXT_BYTES]; /* of the result's model.safetensors (of all files) */
} job_result;

typedef struct job {
    context *cx;
    arena mem;
    job_options options;
    int lock;
    bool new_folder;
    pool *workers;
    states *store;
    model *from;
    language language;
    language_data learn, validation;
    step *s;
    score *judge;
    trainer t;
    bool has_validation;
    job_result result;
} job;

/* Opens all that a run needs and checks what can be checked. `j` does not move afterwards. */
status job_open(context *cx, const job_options *o, job *j) MUST_USE;
/* To the first step, or to where the last checkpoint was (j->t.at.step). */
status job_begin(job *j) MUST_USE;
/* Trains and writes the result. */
status job_run(job *j, train_watch watch) MUST_USE;
void job_close(job *j); /* fine on a zeroed one */

/* ---- inside ---- */
/* Refuses a plan that does not fit in `limit_bytes`, saying what would. */
status job_check_memory(job *j, int64_t limit_bytes);
/* Bounds, from batch and context. */
step_options job_step_options(const job *j, int64_t batch);
loader_options job_loader_options(const job *j, token_split split);

#endif
