/* The search for AWQ's scales; the equations are in compress/awq.c. */
#ifndef COMPRESS_KIT_AWQ_H
#define COMPRESS_KIT_AWQ_H

#include "compress/kit/grid.h"
#include "compress/kit/stream.h"

/* *alpha 0: plain rounding is best, and `s` (k of them) all 1. */
status awq_search(compress *c, int32_t input, const input_stats *x, const grid *g, float *s,
                  double *alpha) MUST_USE;

#endif
