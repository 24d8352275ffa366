/* The model cut between its layers: what comes before them (embedding), one layer, what comes after (norm, logits,
 * loss), each a graph and a plan of its own that lives only while it is used. So a model is run over many sequences
 * with the memory of one layer: rows of all sequences wait between the layers.
 *
 * The cut knows no architecture. A builder calls the layers of its model_def in turn; a stage builds with a copy of it
 * whose `layer` builds nothing, keeps the rows that come in, or hands over rows from outside.
 *
 * Matrices of layers are unpacked to f32, whatever their format, so that products run on the same kernels. */
#ifndef COMPRESS_KIT_STAGE_H
#define COMPRESS_KIT_STAGE_H

#include "compress/kit/compress.h"
#include "exec/plan.h"

enum { STAGE_BEFORE = -1, STAGE_AFTER = -2 }; /* else the number of a layer */

typedef struct stage_options {
    int64_t which;
    int64_t tokens, sequences; /* bounds of a run */
    bool capture;              /* of a layer: the rows that its products read */
} stage_options;

typedef struct stage {
    compress *c;
    graph *g;
    states *store;
    plan *p;
    int64_t which;
} stage;

/* One run: `rows` [tokens, hidden] in f32 come in (not before); targets are needed after. */
typedef struct stage_batch {
    const int32_t *ids, *targets, *positions, *offsets;
    int64_t tokens, sequences;
    const float *rows;
} stage_batch;

status stage_open(compress *c, const stage_options *o, stage *out) MUST_USE;
void stage_close(stage *s); /* fine on a zeroed one */
/* *out: the rows behind the stage [tokens, hidden], or after the layers the loss of each token. Stays until the next
 * run. Adds to c->flops. */
status stage_run(stage *s, const stage_batch *b, const float **out) MUST_USE;
/* In a dry run: that many runs of so many tokens. */
status stage_foresee(stage *s, int64_t tokens, int64_t sequences, double runs) MUST_USE;
/* Operations of a plan's products, as it is bound now. */
double stage_plan_flops(const plan *p);
/* Of the last run with capture: input number i (c->inputs) as rows, [tokens, k]. */
const float *stage_rows(const stage *s, int32_t input);

#endif
