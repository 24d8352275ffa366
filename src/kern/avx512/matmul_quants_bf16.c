/* Products of bf16 activations with quantised weights by vdpbf16ps (kern/kit/quants.h). Rows of f32 are rounded to
 * bf16, and so are the values of NF4, the only ones that are not whole. */
#include "kern/kit/quants_kernel.h"
#include "kern/kit/quants_schemes.h"
#include "ops/matmul.h"

#define EVERY(X) QUANTS_EVERY(X) X("nf4", nf4, plain32, 4, 0, 2, 32, QUANTS_F32, QUANTS_NF4)
#define FEW(ID, ROWS) QUANTS_TILE(ID##_few##ROWS, &ID, true, quants_affine(ID.scale), ROWS, 1, true)
#define DEFINE_SELDOM(FORMAT, ID, READY, ...)                                                      \
    static const quants_scheme ID = {__VA_ARGS__};                                                 \
    FEW(ID, 1) FEW(ID, 2) QUANTS_UNPACK(ID, true)
#define DEFINE(FORMAT, ID, READY, ...)                                                             \
    DEFINE_SELDOM(FORMAT, ID, READY, __VA_ARGS__)                                                  \
    FEW(ID, 3) FEW(ID, 4)
#define ENTRY_SELDOM(FORMAT, ID, READY, ...)                                                       \
    {.format = FORMAT,                                                                             \
     .scheme = {__VA_ARGS__},                                                                      \
     .few = {ID##_few1, ID##_few2},                                                                \
     .many = QUANTS_MANYS(READY),                                                                  \
     .unpack = ID##_unpack},
#define ENTRY(FORMAT, ID, READY, ...)                                                              \
    {.format = FORMAT,                                                                             \
     .scheme = {__VA_ARGS__},                                                                      \
     .few = {ID##_few1, ID##_few2, ID##_few3, ID##_few4},                                          \
     .many = QUANTS_MANYS(READY),                                                                  \
     .unpack = ID##_unpack},

QUANTS_READY_TILES(16)
EVERY(DEFINE)
QUANTS_SELDOM(DEFINE_SELDOM)
const quants_family quants_bf16[] = {EVERY(ENTRY) QUANTS_SELDOM(ENTRY_SELDOM){0}};

static bool is_exact(const kernel_query *q) {
    return !strcmp(q->in[MATMUL_A]->format->name, "bf16") &&
           strcmp(q->in[MATMUL_B]->format->name, "nf4") != 0;
}
static bool supports(const kernel_query *q, reason *why) {
    return quants_supports(q, true, why) &&
           (is_exact(q) || refuse(why, "%s x %s has to be rounded to bf16",
                                  q->in[MATMUL_A]->format->name, q->in[MATMUL_B]->format->name));
}
static bool supports_rounded(const kernel_query *q, reason *why) {
    return quants_supports(q, true, why);
}
static const kernel_def kernel =
    QUANTS_KERNEL("avx512.matmul_quants_bf16", supports, 0x51200011, 4e-6);
static const kernel_def rounded =
    QUANTS_KERNEL("avx512.matmul_quants_rounded", supports_rounded, 0x51200011, 2.2e-3);

const kernel_def *const kernels_avx512_matmul_quants_bf16[] = {&kernel, &rounded, NULL};
