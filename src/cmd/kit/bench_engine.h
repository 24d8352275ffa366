/* What serving gains by how the engine works, each as a ratio of two runs of one process: batches that are refilled at
 * every step, pages, prompts in chunks, prefixes that are kept, guesses. */
#ifndef CMD_KIT_BENCH_ENGINE_H
#define CMD_KIT_BENCH_ENGINE_H

#include "cmd/kit/bench_model.h"

typedef struct bench_gain {
    const char *name, *what, *unit;
    double limit;
    bool at_most; /* the limit is an upper one */
    status (*measure)(bench_model *x, double *value);
    bool needs_draft;
} bench_gain;

/* Closed by one without a name. */
extern const bench_gain bench_gains[];

#endif
