/* How the learning rate goes over the steps of a run, as a share of its peak:
 *   warm-up   from 0 in a straight line over `warmup` steps
 *   constant  1
 *   linear    in a straight line to `final` at the last step
 *   cosine    final + (1 - final) (1 + cos(pi t)) / 2 (Loshchilov and Hutter, SGDR), t from 0 to 1 after the warm-up
 *   wsd       1 until the last `decay` share of the steps, then in a straight line to `final`
 *             (Hu et al., MiniCPM: warm-up, stable, decay) */
#ifndef TRAIN_LR_SCHEDULE_H
#define TRAIN_LR_SCHEDULE_H

#include <stdint.h>

typedef enum lr_schedule_kind {
    SCHEDULE_COSINE,
    SCHEDULE_LINEAR,
    SCHEDULE_WSD,
    SCHEDULE_CONSTANT
} lr_schedule_kind;
#define SCHEDULE_NAMES "cosine", "linear", "wsd", "constant"

typedef struct lr_schedule {
    lr_schedule_kind kind;
    int64_t warmup, steps;
    double final; /* share of the peak that is left at the end */
    double decay; /* wsd: share of the steps that go down */
} lr_schedule;

/* At step 1 .. steps. */
double lr_schedule_at(const lr_schedule *s, int64_t step);

#endif
