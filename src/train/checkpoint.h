/* A run on disk: one safetensors file with every parameter, moment and average, and in its metadata
 *   "hone.checkpoint"  JSON: {"format": 1, "progress": {...}, "xxh64": {"tensor": "16 hex digits", ...}}
 *   "hone.xxh64"       XXH64 of that text
 * The file is written aside, synced and renamed, so that at every instant there is either the old one or the new one,
 * whole. Reading checks all hashes and shapes before it changes anything, and names the tensor that is wrong. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "exec/states.h"

/* Where a run is. Weights, moments, this, and the seed are all that the next step depends on. */
typedef struct progress_state {
    int64_t step, tokens; /* done */
    double seconds;       /* of training, over all sittings */
    double train_loss;
    double running_loss;    /* mean of late, for telling a spike */
    double validation_loss; /* the last; NAN: none yet */
    double best_loss;       /* on validation; infinite: none yet */
    int64_t best_step;
    int64_t rewinds;
    const char *data; /* where the data is, as its source writes it */
    const char *job;  /* lines "key=value" of what must not change */
} progress_state;

status checkpoint_write(context *cx, const char *path, const states *s,
                        const progress_state *at) MUST_USE;
/* Fills the states, all of which must be in the store already; texts go to `mem`. */
status checkpoint_read(context *cx, const char *path, const states *s, arena *mem,
                       progress_state *at) MUST_USE;
/* Whether a state belongs in a checkpoint. */
bool checkpoint_holds(const state *s);
/* Jobs that differ: BAD_ARGUMENT with the first line that does. */
status checkpoint_same_job(context *cx, const char *saved, const char *wanted) MUST_USE;

#endif
