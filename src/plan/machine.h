/* What a machine can do, as plans reckon with it: arithmetic by type, memory, power, price. A profile is one of the
 * built-in ones, which follow published peaks, a YAML file of the same keys, or this machine as measured. */
#ifndef PLAN_MACHINE_H
#define PLAN_MACHINE_H

#include "base/arena.h"
#include <stdbool.h>

typedef enum machine_type { MACHINE_F32, MACHINE_BF16, MACHINE_INT8, MACHINE_TYPES } machine_type;

/* What an op reaches of the roof that binds it. */
typedef struct machine_share {
    const struct op_def *op;
    machine_type type;
    bool memory; /* the roof: bandwidth, else arithmetic */
    bool both;   /* the other is near too, so that less of either is reached */
    double share;
} machine_share;

typedef struct machine {
    const char *name;
    double f32, bf16, int8;      /* operations a second */
    double bandwidth;            /* bytes a second, read and written */
    int64_t memory;              /* bytes that a job may use */
    int64_t devices;             /* how many of these work together */
    double watts, price;         /* of one device: under load; an hour. 0: not known */
    double reached, carried;     /* share of arithmetic and of bandwidth that real work reaches */
    const machine_share *shares; /* where it was measured op by op; else NULL */
    int32_t n_shares;
    int threads;        /* that work; 0: all */
    const char *source; /* "measured", "published peaks", or the file */
} machine;

/* `name` is a built-in profile or a path. */
status machine_find(arena *mem, const char *name, machine *out) MUST_USE;
extern const machine machine_profiles[]; /* closed by a NULL name */

/* Operations a second of that type: of the nearest wider type where the machine has none of its own. */
double machine_rate(const machine *m, machine_type type);

#endif
