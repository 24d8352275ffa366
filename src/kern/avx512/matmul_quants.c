/* Products of int8 activations with quantised weights by vpdpbusd (kern/kit/quants.h). */
#include "kern/kit/quants_kernel.h"
#include "kern/kit/quants_schemes.h"
#include "ops/matmul.h"

#define FEW(ID, ROWS)                                                                              \
    QUANTS_TILE(ID##_few##ROWS, &ID, false, quants_affine(ID.scale), ROWS, 1, true)
#define DEFINE_SELDOM(FORMAT, ID, READY, ...)                                                      \
    static const quants_scheme ID = {__VA_ARGS__};                                                 \
    FEW(ID, 1) FEW(ID, 2) QUANTS_UNPACK(ID, false)
#define DEFINE(FORMAT, ID, READY, ...)                                                             \
    DEFINE_SELDOM(FORMAT, ID, READY, __VA_ARGS__)                                                  \
    FEW(ID, 3) FEW(ID, 4) FEW(ID, 5) FEW(ID, 6) FEW(ID, 7) FEW(ID, 8)
#define ENTRY_SELDOM(FORMAT, ID, READY, ...)                                                       \
    {.format = FORMAT,                                                                             \
     .scheme = {__VA_ARGS__},                                                                      \
     .few = {ID##_few1, ID##_few2},                                                                \
     .many = QUANTS_MANYS(READY),                                                                  \
     .unpack = ID##_unpack},
#define ENTRY(FORMAT, ID, READY, ...)                                                              \
    {.format = FORMAT,                                                                             \
     .scheme = {__VA_ARGS__},                                                                      \
     .few = {ID##_few1, ID##_few2, ID##_few3, ID##_few4, ID##_few5, ID##_few6, ID##_few7,          \
             ID##_few8},                                                                           \
     .many = QUANTS_MANYS(READY),                                                                  \
     .unpack = ID##_unpack},

QUANTS_READY_TILES(8)
QUANTS_EVERY(DEFINE)
QUANTS_SELDOM(DEFINE_SELDOM)
const quants_family quants_int8[] = {QUANTS_EVERY(ENTRY) QUANTS_SELDOM(ENTRY_SELDOM){0}};

static bool supports(const kernel_query *q, reason *why) {
    return quants_supports(q, false, why);
}
static const kernel_def kernel = QUANTS_KERNEL("avx512.matmul_quants", supports, 0x51200010, 2e-6);

const kernel_def *const kernels_avx512_matmul_quants[] = {&kernel, NULL};
