/* Products of int8 activations with quantised weights by vpdpbusd (kern/kit/quants.h). */
#include "kern/kit/quants_kernel.h"
#include "kern/kit/quants_schemes.h"

#define FEW(ID, ROWS)                                                                              \
    QUANTS_TILE(ID##_few##ROWS, &ID, false, quants_affine(ID.scale), ROWS, 1, true)
#define PAIR(ID, ROWS)                                                                             \
    QUANTS_TILE(ID##_pair##ROWS, &ID, false, quants_affine(ID.scale), ROWS, 2, false)
#define DEFINE_SELDOM(FORMAT, ID, READY, ...)                                                      \
    static const quants_scheme ID = {__VA_ARGS__};                                                 \
    FEW(ID, 1) FEW(ID, 2) QUANTS_UNPACK(ID, false)
#define DEFINE(FORMAT, ID, READY, ...)                                                             \
    DEFINE_SELDOM(FORMAT, ID, READY, __VA_ARGS__)                                                  \
    FEW(ID, 3)                                                                                     \
    FEW(ID, 4) FEW(ID, 5) FEW(ID, 6) FEW(ID, 7) FEW(ID, 8) PAIR(ID, 4) PAIR(ID, 5) PAIR(ID, 6)
#define ENTRY_SELDOM(FORMAT, ID, READY, ...)                                                       \
    {.format = FORMAT,                                                                             \
     .scheme = {__VA_ARGS__},                                                                      \
     .few = {ID##_few1, ID##_few2},                                                                \
     .many = &READY##_many,                                                                        \
     .unpack = ID##_unpack},
#define ENTRY(FORMAT, ID, READY, ...)                                                              \
    {.format = FORMAT,                                                                             \
     .scheme = {__VA_ARGS__},                                                                      \
     .few = {ID##_few1, ID##_few2, ID##_few3, ID##_few4, ID##_few5, ID##_few6, ID##_few7,          \
             ID##_few8},                                                                           \
     .pair = {ID##_pair4, ID##_pair5, ID##_pair6},                                                 \
     .many = &READY##_many,                                                                        \
     .unpack = ID##_unpack},

QUANTS_READY_TILES(8)
QUANTS_EVERY(DEFINE)
QUANTS_SELDOM(DEFINE_SELDOM)
const quants_family quants_int8[] = {QUANTS_EVERY(ENTRY) QUANTS_SELDOM(ENTRY_SELDOM){0}};

static const quants_kind int8 = {quants_int8, false};
QUANTS_FUNCTIONS(int8)
static const kernel_def kernel =
    QUANTS_KERNEL("avx512.matmul_quants", "avx512", int8, int8_supports, 0x51200010, 2e-6);

const kernel_def *const kernels_avx512_matmul_quants[] = {&kernel, NULL};
