/* Scales of a product's inputs, folded into what makes them: rows x become x / s, matrices take their columns times s,
 * and the norm or the product before gives x / s at once. The model computes the same. */
#ifndef COMPRESS_KIT_FOLD_H
#define COMPRESS_KIT_FOLD_H

#include "compress/kit/compress.h"

/* The input must be foldable (c->inputs[input].fold). `s` is positive, one for each of its k. */
status fold_scales(compress *c, int32_t input, const float *s) MUST_USE;
/* The largest magnitude in each column, over all products that read the input; `out` holds k. */
status fold_column_most(compress *c, int32_t input, float *out) MUST_USE;

#endif
