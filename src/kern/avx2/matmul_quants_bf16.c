/* Products of bf16 activations with quantised weights in FMA of floats (kern/kit/quants.h, quants_avx2.h). */
#include "kern/kit/quants_kernel.h"
#include "kern/kit/quants_schemes.h"

#define EVERY(X) QUANTS_EVERY(X) X("nf4", nf4, plain32, 4, 0, 2, 32, QUANTS_F32, QUANTS_NF4)
#define FEW(ID, ROWS) QUANTS_TILE(ID##_few##ROWS, &ID, true, quants_affine(ID.scale), ROWS, 1, true)
#define DEFINE(FORMAT, ID, READY, ...)                                                             \
    static const quants_scheme ID = {__VA_ARGS__};                                                 \
    FEW(ID, 1) FEW(ID, 2) QUANTS_UNPACK(ID, true)
#define ENTRY(FORMAT, ID, READY, ...)                                                              \
    {.format = FORMAT,                                                                             \
     .scheme = {__VA_ARGS__},                                                                      \
     .few = {ID##_few1, ID##_few2},                                                                \
     .many = &READY##_many,                                                                        \
     .unpack = ID##_unpack},

QUANTS_READY_TILES(16)
EVERY(DEFINE)
QUANTS_SELDOM(DEFINE)
static const quants_family families[] = {EVERY(ENTRY) QUANTS_SELDOM(ENTRY){0}};

static const quants_kind bf16 = {families, true};
QUANTS_FUNCTIONS(bf16)
static bool supports(const kernel_query *q, reason *why) {
    return bf16_supports(q, why) && quants_is_exact(q, why);
}
static const kernel_def kernel =
    QUANTS_KERNEL("avx2.matmul_quants_bf16", "avx2", bf16, supports, 0x25600011, 4e-6);
static const kernel_def rounded =
    QUANTS_KERNEL("avx2.matmul_quants_rounded", "avx2", bf16, bf16_supports, 0x25600011, 2.2e-3);

const kernel_def *const kernels_avx2_matmul_quants_bf16[] = {&kernel, &rounded, NULL};
