/* The record of a run, one JSON object a step:
 *   {"step": 12, "tokens": 9216, "loss": 2.31, "lr": 0.001, "norm": 0.8, "seconds": 0.4, "tokens_per_second": 23000.0,
 *    "share": 0.6, "stall": 0.001, "validation_loss": 2.4}
 * "validation_loss" is there after an evaluation, "share" where a roof is known. A run that goes on from a checkpoint
 * first drops what was written after it, so that each step stands once; a torn last line is dropped too. */
#ifndef TRAIN_RECORD_H
#define TRAIN_RECORD_H

#include "base/arena.h"
#include "train/trainer.h"
#include <stdio.h>

typedef struct record {
    context *cx;
    FILE *file;
    int64_t flushed_ns;
} record;

/* Keeps the lines up to `step`. */
status record_open(context *cx, const char *folder, int64_t step, record *out) MUST_USE;
/* `share` of the machine's roof, NAN: not known. */
status record_write(record *m, const train_report *r, double share) MUST_USE;
status record_flush(record *m) MUST_USE;
status record_close(record *m); /* fine on a zeroed one */

typedef struct record_point {
    int64_t step;
    double loss, validation_loss; /* NAN: not evaluated */
} record_point;
/* All steps of FOLDER/metrics.jsonl. */
status record_read(context *cx, const char *folder, arena *mem, record_point **out,
                   int64_t *n) MUST_USE;

#endif
