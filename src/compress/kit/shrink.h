/* A model with fewer layers, heads or neurons, whatever its architecture. Which axis of which weight is of heads, and
 * which of neurons, is found by building the model with fewer of them and looking at what has become smaller: no names
 * are known here but that a layer's number stands in its weights' names. */
#ifndef COMPRESS_KIT_SHRINK_H
#define COMPRESS_KIT_SHRINK_H

#include "compress/kit/compress.h"

typedef enum shrink_axis { AXIS_WHOLE, AXIS_QUERIES, AXIS_KEYS, AXIS_NEURONS } shrink_axis;

/* What stays, in rising order. Heads are those of keys and values, each with the queries that read it. */
typedef struct shrink {
    int64_t layers, heads, neurons; /* how many stay */
    const int64_t *layer;           /* [layers] */
    const int64_t *const *head;     /* by old layer: [heads] */
    const int64_t *const *neuron;   /* by old layer: [neurons] */
} shrink;

/* What the inputs of each product are, as far as they become fewer: out [n_products]. */
status shrink_inputs(compress *c, const shrink *s, shrink_axis *out) MUST_USE;
/* Refuses a model that cannot be cut so (only the counts matter): matrices that hold several kinds of rows. */
status shrink_check(compress *c, const shrink *s) MUST_USE;
/* The configuration and the weights become those of what stays. */
status shrink_apply(compress *c, const shrink *s) MUST_USE;

#endif
