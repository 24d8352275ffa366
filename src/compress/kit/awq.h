/* The search for AWQ's scales; the equations are in compress/awq.c. */
#ifndef COMPRESS_KIT_AWQ_H
#define COMPRESS_KIT_AWQ_H

#include "compress/kit/grid.h"
#include "compress/kit/stream.h"

/* `s`: k scales. *helps false: plain rounding is best, and they are all 1. */
status awq_search(compress *c, int32_t input, const input_stats *x, const grid *g, float *s,
                  bool *helps) MUST_USE;

#endif
