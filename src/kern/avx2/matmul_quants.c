/* Products of int8 activations with quantised weights by vpmaddubsw (kern/kit/quants.h, quants_avx2.h). What is
 * unpacked keeps the codes' bits in mind, since they say how many products 16 bits hold. */
#include "kern/kit/quants_kernel.h"
#include "kern/kit/quants_schemes.h"

#define FEW(ID, ROWS)                                                                              \
    QUANTS_TILE(ID##_few##ROWS, &ID, false, quants_affine(ID.scale), ROWS, 1, true)
#define DEFINE(FORMAT, ID, READY, ...)                                                             \
    static const quants_scheme ID = {__VA_ARGS__};                                                 \
    FEW(ID, 1) FEW(ID, 2) QUANTS_UNPACK(ID, false)

/* Of bits, zero, blocks, sub, scale, book. */
#define CODE_BITS(BITS, ZERO, BLOCKS, SUB, SCALE, BOOK, ...) QUANTS_CODE_BITS(BITS, BOOK)
#define CODE_BITS_OF(...) CODE_BITS(__VA_ARGS__, QUANTS_LINEAR, 0)
#define ENTRY(FORMAT, ID, READY, ...)                                                              \
    {.format = FORMAT,                                                                             \
     .scheme = {__VA_ARGS__},                                                                      \
     .less = CODE_BITS_OF(__VA_ARGS__) == 8 ? 128 : 0,                                             \
     .few = {ID##_few1, ID##_few2},                                                                \
     .many = &READY##_many[WIDTH_OF(CODE_BITS_OF(__VA_ARGS__))],                                   \
     .unpack = ID##_unpack},

/* Codes of up to 4 bits, 5, 6, 8. */
#define WIDTH_OF(BITS) ((BITS) <= 4 ? 0 : (BITS) == 5 ? 1 : (BITS) == 6 ? 2 : 3)
#define WIDTHS(ID, SUB, AFFINE)                                                                    \
    QUANTS_MANY(ID##_4, 8, 4, SUB, AFFINE)                                                         \
    QUANTS_MANY(ID##_5, 8, 5, SUB, AFFINE)                                                         \
    QUANTS_MANY(ID##_6, 8, 6, SUB, AFFINE)                                                         \
    QUANTS_MANY(ID##_8, 8, 8, SUB, AFFINE)                                                         \
    static const quants_many ID##_many[] = {QUANTS_MANYS(ID##_4), QUANTS_MANYS(ID##_5),            \
                                            QUANTS_MANYS(ID##_6), QUANTS_MANYS(ID##_8)};

WIDTHS(plain32, 32, false)
WIDTHS(affine32, 32, true)
WIDTHS(plain16, 16, false)
WIDTHS(affine16, 16, true)
QUANTS_EVERY(DEFINE)
QUANTS_SELDOM(DEFINE)
static const quants_family families[] = {QUANTS_EVERY(ENTRY) QUANTS_SELDOM(ENTRY){0}};

static const quants_kind int8 = {families, false};
QUANTS_FUNCTIONS(int8)
static const kernel_def kernel =
    QUANTS_KERNEL("avx2.matmul_quants", "avx2", int8, int8_supports, 0x25600010, 2e-6);

const kernel_def *const kernels_avx2_matmul_quants[] = {&kernel, NULL};
