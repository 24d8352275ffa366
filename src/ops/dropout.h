/* y = x / (1 - p) with probability 1 - p, else 0 (Srivastava et al.). Whether element i lives is a
 * function of the step's seed, the stream and i alone: word i % 4 of the block at position i / 4,
 * so that a gradient or a recomputation that names the same stream repeats it. */
#ifndef OPS_DROPOUT_H
#define OPS_DROPOUT_H

#include "base/rng.h"
#include "graph/op.h"

typedef struct dropout_params {
    double p;
    int64_t stream;
} dropout_params;

static inline bool dropout_keeps(const dropout_params *p, uint64_t step_seed, int64_t i) {
    rng_block block = rng_at(step_seed, (uint64_t)p->stream, (uint64_t)i / 4);
    return rng_unit_float(block.word[i % 4]) >= (float)p->p;
}

value build_dropout(graph *g, value x, double p, int64_t stream);
extern const op_def op_dropout;

#endif
