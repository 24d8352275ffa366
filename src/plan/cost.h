/* What a planned graph will cost on a machine, from the cost functions of its ops: each step takes as long as its
 * arithmetic or its memory traffic, whichever is longer, at what its op reaches of that roof (or real work does, where
 * the machine was not measured op by op). */
#ifndef PLAN_COST_H
#define PLAN_COST_H

#include "exec/plan.h"
#include "plan/machine.h"

enum { COST_PHASES = PHASE_UPDATE + 1 };

typedef struct phase_cost {
    double flops, bytes;
    double seconds, arithmetic, memory; /* seconds: of which bound by either */
} phase_cost;

typedef struct graph_cost {
    phase_cost phase[COST_PHASES], all; /* `all` leaves the load phase out */
} graph_cost;

/* One step of a plan at its roof: as fast as the machine's rates allow. */
typedef struct cost_step {
    double flops, bytes, seconds;
    machine_type type;
    bool memory; /* bound by bandwidth */
    bool both;   /* the other roof takes more than two fifths as long */
} cost_step;
/* False where the step does nothing, or its op has no cost. */
bool cost_of_step(const plan_step *s, const machine *m, cost_step *out);

/* With the extents that are bound now; the bounds until plan_bind. */
void cost_of_plan(const plan *p, const machine *m, graph_cost *out);
void cost_add(graph_cost *to, const graph_cost *more);
/* The work shared by all devices. */
double cost_seconds(const graph_cost *c, const machine *m);
/* "arithmetic" or "memory bandwidth", by where most of the time goes. */
bool cost_is_arithmetic(const graph_cost *c);
const char *cost_bottleneck(const graph_cost *c);

#endif
