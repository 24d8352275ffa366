/* Matrices into formats of blocks. With a calibration text the errors of a column count as its inputs' mean squares say
 * (llama.cpp's importance matrix):
 *
 *   weight of w_ij = mean(x_j^2) sqrt(2 mean(w^2) + w_ij^2), the mean over a stretch of 256 of the row */
#ifndef COMPRESS_KIT_PACK_H
#define COMPRESS_KIT_PACK_H

#include "compress/kit/compress.h"

/* Mean squares of the columns of each input; zeroed: not measured. */
typedef struct importance {
    const float **of;
} importance;

status importance_measure(compress *c, importance *out) MUST_USE;
/* Of a weight's columns; NULL: it is no product's, or nothing was measured. */
const float *importance_of(const compress *c, const importance *from, const weight *w);

/* The weight's values as blocks of that format, to be released by the caller. */
status pack_data(compress *c, const weight *w, const num_format *f, const float *importance,
                 void **out) MUST_USE;
/* The weight becomes blocks of that format. */
status pack_weight(compress *c, weight *w, const num_format *f, const float *importance) MUST_USE;

#endif
