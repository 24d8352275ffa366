/* The end of a matrix product. */
#include "kern/kit/matmul_epilogue.h"

void matmul_finish_avx2(const matmul_epilogue *e, const float *acc, int64_t rows, int64_t columns) {
    finish_rows(e, acc, rows, columns);
}
