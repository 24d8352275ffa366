/* Runs a graph in doubles through the references of its ops: the oracle for ops, rewrites and
 * execution. Floats of every format are held as doubles and never rounded; ids are raw, in their
 * own format. */
#ifndef TEST_KIT_INTERPRET_H
#define TEST_KIT_INTERPRET_H

#include "graph/op.h"

typedef struct interpretation {
    const graph *g;
    arena mem;
    tensor **of; /* [node][out]; data NULL until bound or run */
    uint64_t step_seed;
} interpretation;

/* Allocates every value at these symbols (indexed by symbol; may be NULL where there are none). A
 * writer's output and a view get storage of their own. */
status interpret_begin(const graph *g, const int64_t *symbols, interpretation *run);
void interpret_end(interpretation *run);
static inline tensor *interpret_at(const interpretation *run, value v) {
    return &run->of[v.node][v.out];
}
static inline double *interpret_numbers(const interpretation *run, value v) {
    return interpret_at(run, v)->data;
}
int64_t interpret_count(const interpretation *run, value v);
/* Copies the sample's contents into its leaves (whose values are the sample's own). */
void interpret_bind(const interpretation *run, const sample *s);
/* Runs nodes first..last-1 in order, skipping leaves. */
void interpret_run(const interpretation *run, int32_t first, int32_t last);

#endif
