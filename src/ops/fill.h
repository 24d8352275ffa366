/* Filling a tensor with one number. */
#ifndef OPS_FILL_H
#define OPS_FILL_H

#include "graph/op.h"

typedef struct fill_params {
    double number;
} fill_params;

/* A tensor of the type of `like`, of whose contents nothing is read, filled with one number. */
value build_fill(graph *g, value like, double number);
extern const op_def op_fill;

#endif
