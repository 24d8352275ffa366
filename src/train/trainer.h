/* The loop of a run: steps, evaluation, checkpoints, and going on from where it was.
 *
 *     folder/checkpoint-last.safetensors   after every `save_every` steps, `save_seconds`, an evaluation, a stop
 *     folder/checkpoint-best.safetensors   at the lowest validation loss so far
 *
 * A step depends on the weights, moments, its number, the seed and the data's place alone, all of which a checkpoint
 * holds; so a run that stops anywhere and goes on from its last checkpoint ends with the same bits. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "train/checkpoint.h"
#include "train/lr_schedule.h"
#include "train/score.h"

/* Where micro-batches come from. */
typedef struct train_source {
    void *user;
    /* *more false: a source that ends has ended; its memory stays until the next call. */
    status (*next)(void *user, step_batch *out, bool *more);
    /* The place of the next batch, as text; and back to it ("" is the beginning). */
    status (*place)(void *user, arena *mem, const char **out);
    status (*seek)(void *user, const char *place);
} train_source;

typedef struct train_report {
    int64_t step, tokens;
    double loss, norm, lr;
    double seconds;     /* of this run, over all sittings */
    double token_rate;  /* tokens a second, over the last steps */
    double flop_rate;   /* operations of products and attention a second, likewise */
    double stall_share; /* of the time, waiting for data */
    double validation;  /* mean loss on the held-out split; NAN where it was not evaluated */
    int64_t best_step;
    double best_loss;
} train_report;

/* Whom the loop tells, and asks whether to stop. Members may be NULL. */
typedef struct train_watch {
    void *user;
    status (*report)(void *user, const train_report *r);
    bool (*stop)(void *user);
    status (*saving)(void *user); /* before a checkpoint: what was reported must be on disk */
} train_watch;

typedef struct trainer_options {
    const char *folder;
    const char *job;  /* see progress_state */
    lr_schedule rate; /* with the number of steps */
    double lr;
    int64_t parts;                            /* micro-batches a step */
    int64_t evaluate_every, evaluate_batches; /* 0: never; 0: the whole split */
    int64_t save_every;                       /* 0: only by the other occasions */
    double save_seconds;
    double spike;    /* a loss so many times its running mean is a spike; 0: none is */
    int64_t rewinds; /* how often to go back after a spike or NaN, past the data that did it */
} trainer_options;

typedef struct trainer {
    context *cx;
    trainer_options options;
    step *s;
    score *judge;                   /* NULL: no evaluation */
    train_source learn, validation; /* validation.next NULL: none */
    train_watch watch;
    arena mem; /* batches of a step */
    step_batch *batches;
    arena texts; /* of `at` */
    progress_state at;
    bool evaluated; /* at this step */
    int64_t saved_step;
    double saved_seconds;
    double sitting_seconds, sitting_flops; /* of this process */
    double window_seconds, window_stalled, window_flops, window_tokens;
    bool stopped; /* asked to, before the last step */
} trainer;

/* `s` and `judge` are borrowed. */
status trainer_begin(context *cx, const trainer_options *o, step *s, score *judge,
                     train_source learn, train_source validation, train_watch watch,
                     trainer *out) MUST_USE;
/* Loads the last checkpoint and moves the data to its place. */
status trainer_resume(trainer *t) MUST_USE;
/* Until the last step, a stop (t->stopped), or an error. The last checkpoint then stands on disk. */
status trainer_run(trainer *t) MUST_USE;
/* Mean loss of the validation split, with averaged weights where the step averages. */
status trainer_evaluate(trainer *t, double *loss) MUST_USE;
void trainer_end(trainer *t);
/* Path of the checkpoint "last" or "best", in `mem`. */
char *trainer_checkpoint_path(const char *folder, const char *which, arena *mem);

#endif
