/* What ops reach of this machine's roofs, from steps that are run and timed node by node: a training step of a small
 * model, and an engine that reads prompts and decodes. Times are the least of several runs. */
#ifndef PLAN_CALIBRATE_H
#define PLAN_CALIBRATE_H

#include "base/progress.h"
#include "plan/cost.h"

enum { CALIBRATE_MOST = 256 };

typedef struct calibration {
    machine *m; /* with its rates; shares are taken against them */
    machine_share share[CALIBRATE_MOST];
    double roof[CALIBRATE_MOST], real[CALIBRATE_MOST]; /* seconds */
    int32_t n;
    progress *shown; /* goes on by one with each piece of work; NULL: nothing is shown */
    int64_t done;
} calibration;

enum { CALIBRATE_TRAIN_PIECES = 4, CALIBRATE_SERVE_PIECES = 38 };

/* Of products in `precision`; `threads` as the machine has it. */
status calibrate_train(context *cx, calibration *c, const num_format *precision) MUST_USE;
/* Of weights in a format, and what meets them (engine_options.act). */
status calibrate_serve(context *cx, calibration *c, const char *weights, const char *act) MUST_USE;
/* Gives the machine its shares, in `mem`. */
status calibrate_end(calibration *c, arena *mem) MUST_USE;

/* ---- inside ---- */

void calibrate_show(calibration *c); /* one more piece is done */

/* The least seconds of each node of a plan over its traced runs, and of the whole. */
typedef struct calibrate_times {
    double *node; /* by step of the plan */
    double whole;
} calibrate_times;
status calibrate_times_make(arena *mem, const plan *p, calibrate_times *out) MUST_USE;
/* After a traced run that took so long. */
void calibrate_see(calibrate_times *t, const plan *p, double seconds);
/* Adds what was seen; the plan is bound as it was then. */
void calibrate_add(calibration *c, const plan *p, const calibrate_times *t);
/* Seconds of the clock that counts this machine's work: the process's own time for one thread, which others that use
 * the machine do not lengthen, else the time of day. */
double calibrate_seconds(int threads);

#endif
