/* What a recipe will take, told before it runs: the chain is carried out on weights of which only names, shapes and
 * formats are there. Methods walk their own way; what would read or change contents adds what it costs instead, by the
 * very functions by which a run counts (c->flops), and graphs are planned without memory (exec/plan.h, dry_run).
 *
 * Memory is that of the weights that were read or made so far (pages of a file come when they are touched), and the
 * most that a method holds beside them. Seconds of graphs are the caller's to tell, from the plans that it is shown;
 * those of rounding and solving come from small samples of the same loops, timed on this machine. */
#ifndef COMPRESS_KIT_FORESEE_H
#define COMPRESS_KIT_FORESEE_H

#include "compress/kit/run.h"

struct plan;

typedef enum work_kind { WORK_CALIBRATE, WORK_SOLVE, WORK_LEARN, WORK_KINDS } work_kind;
extern const char *const work_names[WORK_KINDS];

/* One method, and the model behind it. */
typedef struct foreseen {
    const char *method;
    double flops[WORK_KINDS];
    double solve_seconds;
    int64_t peak_bytes;
    int64_t parameters, bytes;
} foreseen;

typedef struct foresee_options {
    compress_options
        how; /* model: a path, or NULL; calib: a text, or NULL for one that is long enough */
    const model_config *config; /* where there is no model yet: its configuration and formats */
    const num_format *(*format)(void *user, const char *name, int32_t rank);
    void *user;
    /* Runs of a plan, for its costs; with the extents that are bound now. */
    void (*see)(void *user, int64_t step, work_kind kind, const struct plan *p, double runs);
    /* Called with see_user once the recipe has been checked, before the work; NULL: nobody. */
    status (*begin)(void *user);
    void *see_user;
} foresee_options;

/* In `mem`; `before`: the model as it comes, `step` by method of the recipe. */
typedef struct foresight {
    foreseen before, *step;
    int64_t count;
} foresight;
status foresee_run(arena *mem, const foresee_options *o, foresight *out) MUST_USE;

/* ---- inside: what methods and their helpers say in a dry run ---- */

/* Real work on a small product of drawn values, with as many columns as the one that it stands for. */
typedef status foresee_work(compress *c, const product *p, const void *user);

typedef struct foresee_timing {
    foresee_work *work;
    int64_t k;
    double seconds; /* of one row */
} foresee_timing;

enum { FORESEE_TIMINGS = 64 };

typedef struct foresee {
    const foresee_options *o;
    int64_t step;
    foreseen now;
    int64_t held_bytes; /* by what goes on for long, beside what is told of at once */
    double times;       /* how often what follows is done */
    foresee_timing timing[FORESEE_TIMINGS]; /* of this method */
    int32_t timings;
} foresee;

void foresee_plan(compress *c, work_kind kind, const struct plan *p, double flops, double runs);
/* Memory of a plan, and of the states that do not lie in weights as they are. */
int64_t foresee_plan_bytes(const compress *c, const struct plan *p);
/* So many bytes at once, beside weights and what is held. */
void foresee_memory(compress *c, int64_t bytes);
void foresee_hold(compress *c, int64_t bytes); /* negative: let go */
/* Work beside graphs: counted, and timed on some rows of such a product; `work` NULL: not timed. */
status foresee_solve(compress *c, const product *p, double flops, foresee_work *work,
                     const void *user) MUST_USE;
void foresee_add(compress *c, double flops, double seconds);
/* Real work within a dry run, which does not count it: from here on `c` is no dry run, */
typedef struct foresee_pause {
    foresee *f;
    double flops, began;
} foresee_pause;
foresee_pause foresee_stop(compress *c) MUST_USE;
/* and here it is one again. Seconds between. */
double foresee_go_on(compress *c, const foresee_pause *p);

#endif
