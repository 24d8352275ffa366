/* Rounding along a Hessian; the equations are in compress/gptq.c. */
#ifndef COMPRESS_KIT_GPTQ_H
#define COMPRESS_KIT_GPTQ_H

#include "compress/kit/grid.h"
#include "compress/kit/hessian.h"

typedef struct gptq_how {
    grid grid;
    bool act_order;  /* as the Hessian was made; scales are then fitted beforehand */
    bool keep_zeros; /* values that are 0 stay 0 */
} gptq_how;

/* Rows of a matrix [rows, k] to codes [rows, k] and scales [rows, groups]. */
status gptq_rows(compress *c, const float *values, int64_t rows, const hessian *h,
                 const gptq_how *how, uint8_t *codes, grid_scale *scales) MUST_USE;
/* The product's matrix becomes those. With `gram`, X X^T, the log tells (debug) what share of plain rounding's
 * error of outputs is left. */
status gptq_product(compress *c, const product *p, const hessian *h, const gptq_how *how,
                    const float *gram) MUST_USE;

#endif
