/* Products with weights of which two of every four are kept (num/bf16_2of4.c), by vdpbf16ps.
 *
 * Weights are not expanded: each output takes the two activations that it needs out of four. b [N, K] lies in panels of
 * 64 outputs,
 *
 *   panel = [block 0][block 1] ..     block = 32 k's: [u32 mask [64]][group 0]..[group 7]
 *   group = 4 k's: a pair of bf16 for each of the 64 outputs
 *
 * in the bytes of the format. Four activations lie in all pairs of lanes of a register; the four bits of a mask choose
 * one of sixteen words that tell a byte shuffle which two of them come, so that a step is one shuffle and one dot
 * product for 16 outputs and 4 k's: half of the dot products of a dense one, and 0.5625 of its bytes.
 *
 *   y[m, n] = one chain of vdpbf16ps from zero over ascending groups
 *
 * whatever M is: strips of up to 6 rows go along a whole panel, which for many rows stays in the second cache. */
#ifndef KERN_KIT_SPARSE24_H
#define KERN_KIT_SPARSE24_H

#include "dev/kernel.h"

enum { SPARSE24_COLUMNS = 64, SPARSE24_K = 32, SPARSE24_GROUPS = 8, SPARSE24_STRIP = 6 };
enum {
    SPARSE24_MASK_BYTES = 4 * SPARSE24_COLUMNS,
    SPARSE24_BLOCK_BYTES = SPARSE24_MASK_BYTES * (1 + SPARSE24_GROUPS)
};

/* Rows of a, bf16, against a whole panel; sums to c[row * 64 + column]. */
typedef void sparse24_tile(const char *a, int64_t a_stride, const char *panel, int64_t blocks,
                           float *c);
typedef struct sparse24_family {
    sparse24_tile *tile[SPARSE24_STRIP]; /* by rows - 1 */
} sparse24_family;

extern const pack_def sparse24_pack;

/* `rounds`: rows of f32 are taken too, rounded to bf16. */
bool sparse24_supports(const kernel_query *q, bool rounds, reason *why);
const pack_def *sparse24_wants(const kernel_query *q, int32_t operand);
int64_t sparse24_scratch(const call *c);
int64_t sparse24_shared(const call *c);
int64_t sparse24_prepare_units(const call *c);
void sparse24_prepare(const call *c, int64_t from, int64_t to, void *scratch);
int64_t sparse24_units(const call *c);
void sparse24_run(const sparse24_family *f, const call *c, int64_t from, int64_t to, void *scratch);

#endif
