/* Layer by layer over the calibration text: each layer runs over all sequences, a method looks at what its products
 * read and changes them, and the next layer sees what the changed layer makes of it. Only the rows of all sequences
 * between two layers are kept, and the statistics of one layer. */
#ifndef COMPRESS_KIT_STREAM_H
#define COMPRESS_KIT_STREAM_H

#include "compress/kit/compress.h"

/* Of the rows that products read, over all calibration tokens. */
typedef struct input_stats {
    int64_t rows;
    double *sum_abs, *sum_sq; /* [k] */
    float *max_abs;           /* [k] */
    bool summed;              /* `gram` is there, or in a dry run would be */
    float *gram;              /* sums of x x^T (kit/gram.h) */
} input_stats;

typedef struct stream_layer {
    int64_t layer;
    const product *products; /* of this layer */
    int64_t n_products;
    input_stats *stats; /* by number of input (c->inputs) */
    double turned;      /* 1 - cos between a row that comes in and what comes out, in the mean */
    arena *mem;         /* until the visit is over */
} stream_layer;

typedef struct stream_options {
    bool gram;
    bool only_looks; /* visits change nothing, so a layer runs once */
    status (*visit)(compress *c, const stream_layer *l, void *user);
    void *user;
} stream_options;

status stream_run(compress *c, const stream_options *o) MUST_USE;
/* In a visit: the sums of x x^T of that input go, which nobody needs any more. */
void stream_drop_gram(compress *c, const stream_layer *l, int32_t input);

/* Mean loss of the calibration text, in nats a token, of the model as it is now. */
status stream_loss(compress *c, double *out) MUST_USE;

#endif
