/* What was trained or measured, when, with what result: one row a run in an SQLite database of the user's, so that
 * runs can be found and compared after their folders were forgotten. The curves stay in the run's folder
 * (metrics.jsonl).
 *
 * The database is the environment's HONE_RUNS, else XDG_DATA_HOME/hone/runs.db, else ~/.local/share/hone/runs.db.
 * Several processes may use it at once. */
#ifndef STORE_RUNS_H
#define STORE_RUNS_H

#include "base/arena.h"
#include <stdbool.h>

/* Texts are borrowed when written, and the arena's when read; NULL and NAN are "not known". */
typedef struct run_row {
    int64_t id; /* 0: new */
    const char *name, *folder, *state, *started, *finished, *model, *job, *weights_sha256;
    int64_t parameters, seed, steps, step, tokens, planned_bytes, peak_bytes;
    double train_loss, validation_loss, best_loss, seconds, token_rate, share;
    /* of a model that was measured (hone report) */
    const char *kind; /* "train" or "report"; NULL counts as the first */
    int64_t bytes, resident_bytes;
    double bits_per_weight, perplexity, kl, top1, accuracy, prefill_rate, decode_rate, cost_flops,
        cost_seconds;
} run_row;
/* With nothing known. */
extern const run_row run_row_unknown;

typedef enum run_kind { RUN_TEXT, RUN_INTEGER, RUN_NUMBER } run_kind;
typedef struct run_column {
    const char *name;
    run_kind kind;
    size_t offset;
    const char *help;
} run_column;
/* All columns but the id, in the order of the table; closed by a NULL name. */
extern const run_column run_columns[];

typedef struct runs runs;

/* `path` NULL: the user's. Makes the database and its folder when they are missing. */
status runs_open(context *cx, const char *path, runs **out) MUST_USE;
void runs_close(runs *r); /* NULL is fine */
/* Writes the row, as a new one when its id is 0, which is then set. */
status runs_put(runs *r, run_row *row) MUST_USE;
/* Newest first. */
status runs_list(runs *r, arena *mem, run_row **out, int64_t *n) MUST_USE;
/* By number, by name (the newest of that name), or by folder. */
status runs_find(runs *r, const char *which, arena *mem, run_row *out) MUST_USE;
status runs_delete(runs *r, int64_t id) MUST_USE;

#endif
