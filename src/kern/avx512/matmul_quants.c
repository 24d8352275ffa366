/* Products of int8 activations with quantised weights by vpdpbusd: the schemes of the formats (kern/kit/quants.h). */
#include "kern/kit/quants_avx512.h"
#include "kern/kit/quants_kernel.h"
#include "ops/matmul.h"

enum { ORDER = 0x51200010 };

#define FEW(ID, ROWS)                                                                              \
    static void ID##_few##ROWS(const quants_tile *t) {                                             \
        quants_run(&ID, quants_affine(ID.scale), ROWS, 1, true, t);                                \
    }
#define SCHEME(ID, ...)                                                                            \
    static const quants_scheme ID = {__VA_ARGS__};                                                 \
    FEW(ID, 1)                                                                                     \
    FEW(ID, 2)                                                                                     \
    FEW(ID, 3)                                                                                     \
    FEW(ID, 4) FEW(ID, 5) FEW(ID, 6) FEW(ID, 7) FEW(ID, 8) static void ID##_unpack(                \
        const char *panel, int64_t from, int64_t units, char *out) {                               \
        quants_ready(&ID, quants_affine(ID.scale), panel, from, units, out);                       \
    }

#define MANY(ID, SUB, AFFINE, ROWS, PANELS)                                                        \
    static void ID##_many##ROWS##x##PANELS(const quants_tile *t) {                                 \
        const quants_scheme s = {.bits = 8, .blocks = 1, .sub = SUB, .scale = QUANTS_READY};       \
        quants_run(&s, AFFINE, ROWS, PANELS, false, t);                                            \
    }
#define BOTH(ID, SUB, AFFINE, ROWS) MANY(ID, SUB, AFFINE, ROWS, 1) MANY(ID, SUB, AFFINE, ROWS, 2)
#define READY(ID, SUB, AFFINE)                                                                     \
    BOTH(ID, SUB, AFFINE, 1)                                                                       \
    BOTH(ID, SUB, AFFINE, 2)                                                                       \
    BOTH(ID, SUB, AFFINE, 3)                                                                       \
    BOTH(ID, SUB, AFFINE, 4) BOTH(ID, SUB, AFFINE, 5) BOTH(ID, SUB, AFFINE, 6)
READY(plain32, 32, false)
READY(affine32, 32, true)
READY(plain16, 16, false)
READY(affine16, 16, true)

#define FEWS(ID)                                                                                   \
    { ID##_few1, ID##_few2, ID##_few3, ID##_few4, ID##_few5, ID##_few6, ID##_few7, ID##_few8 }
#define PAIR(ID, ROWS)                                                                             \
    { ID##_many##ROWS##x1, ID##_many##ROWS##x2 }
#define MANYS(ID)                                                                                  \
    { PAIR(ID, 1), PAIR(ID, 2), PAIR(ID, 3), PAIR(ID, 4), PAIR(ID, 5), PAIR(ID, 6) }
#define ENTRY(FORMAT, ID, READY, ...)                                                              \
    {.format = FORMAT,                                                                             \
     .scheme = {__VA_ARGS__},                                                                      \
     .few = FEWS(ID),                                                                              \
     .many = MANYS(READY),                                                                         \
     .unpack = ID##_unpack},

/* X(format, id, ready, bits, zero, blocks, sub, scale, book) */
#define EVERY(X)                                                                                   \
    X("q4_0", q4_0, plain32, 4, 8, 2, 32, QUANTS_F16)                                              \
    X("q4_1", q4_1, affine32, 4, 0, 2, 32, QUANTS_F16_MIN)                                         \
    X("q5_0", q5_0, plain32, 5, 16, 2, 32, QUANTS_F16)                                             \
    X("q5_1", q5_1, affine32, 5, 0, 2, 32, QUANTS_F16_MIN)                                         \
    X("q8_0", q8_0, plain32, 8, 128, 2, 32, QUANTS_F16)                                            \
    X("q2_k", q2_k, affine16, 2, 0, 8, 16, QUANTS_K2)                                              \
    X("q3_k", q3_k, plain16, 3, 4, 8, 16, QUANTS_K6)                                               \
    X("q4_k", q4_k, affine32, 4, 0, 8, 32, QUANTS_K4)                                              \
    X("q5_k", q5_k, affine32, 5, 0, 8, 32, QUANTS_K4)                                              \
    X("q6_k", q6_k, plain16, 6, 32, 8, 16, QUANTS_K6)                                              \
    X("iq4_nl", iq4_nl, plain32, 4, 128, 2, 32, QUANTS_F16, QUANTS_IQ4)                            \
    X("iq4_xs", iq4_xs, plain32, 4, 128, 8, 32, QUANTS_K6, QUANTS_IQ4)                             \
    X("mxfp4", mxfp4, plain32, 4, 12, 1, 32, QUANTS_F32, QUANTS_MXFP4)                             \
    X("int4_g32", int4_g32, plain32, 4, 8, 1, 32, QUANTS_F32)                                      \
    X("int4_g64", int4_g64, plain32, 4, 8, 2, 32, QUANTS_F32)                                      \
    X("int4_g128", int4_g128, plain32, 4, 8, 4, 32, QUANTS_F32)                                    \
    X("int4_row", int4_row, plain32, 4, 8, 1, 32, QUANTS_ROW)                                      \
    X("int8_g32", int8_g32, plain32, 8, 128, 1, 32, QUANTS_F32)                                    \
    X("int8_g64", int8_g64, plain32, 8, 128, 2, 32, QUANTS_F32)                                    \
    X("int8_g128", int8_g128, plain32, 8, 128, 4, 32, QUANTS_F32)                                  \
    X("uint4_g32", uint4_g32, affine32, 4, 0, 1, 32, QUANTS_F32_ZERO)                              \
    X("uint4_g64", uint4_g64, affine32, 4, 0, 2, 32, QUANTS_F32_ZERO)                              \
    X("uint4_g128", uint4_g128, affine32, 4, 0, 4, 32, QUANTS_F32_ZERO)                            \
    X("uint4_row", uint4_row, affine32, 4, 0, 1, 32, QUANTS_ROW_ZERO)                              \
    X("uint8_g32", uint8_g32, affine32, 8, 0, 1, 32, QUANTS_F32_ZERO)                              \
    X("uint8_g64", uint8_g64, affine32, 8, 0, 2, 32, QUANTS_F32_ZERO)                              \
    X("uint8_g128", uint8_g128, affine32, 8, 0, 4, 32, QUANTS_F32_ZERO)                            \
    X("uint8_row", uint8_row, affine32, 8, 0, 1, 32, QUANTS_ROW_ZERO)

#define DEFINE(FORMAT, ID, READY, ...) SCHEME(ID, __VA_ARGS__)
EVERY(DEFINE)

const quants_family quants_families[] = {EVERY(ENTRY){0}};

static const kernel_def kernel = {.name = "avx512.matmul_quants",
                                  .op = &op_matmul,
                                  .isa = "avx512",
                                  .order = ORDER,
                                  .supports = quants_supports,
                                  .wants = quants_wants,
                                  .scratch_bytes = quants_scratch,
                                  .shared_bytes = quants_shared,
                                  .prepare_units = quants_prepare_units,
                                  .prepare = quants_prepare,
                                  .units = quants_units,
                                  .run = quants_run_units,
                                  .tolerance = 2e-6};

const kernel_def *const kernels_avx512_matmul_quants[] = {&kernel, NULL};
