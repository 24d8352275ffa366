/* The formats of quantised weights that products take, and the functions of each for one kind of activations. */
#ifndef KERN_KIT_QUANTS_SCHEMES_H
#define KERN_KIT_QUANTS_SCHEMES_H

#include "kern/kit/quants_tile.h"

/* Integer groups and rows of B bits (num/family/ints.c); symmetric rows of 8 bits are the format of another kernel. */
#define QUANTS_GROUPS(X, B, ZERO)                                                                  \
    X("int" #B "_g32", int##B##_g32, plain32, B, ZERO, 1, 32, QUANTS_F32)                          \
    X("int" #B "_g64", int##B##_g64, plain32, B, ZERO, 2, 32, QUANTS_F32)                          \
    X("int" #B "_g128", int##B##_g128, plain32, B, ZERO, 4, 32, QUANTS_F32)                        \
    X("uint" #B "_g32", uint##B##_g32, affine32, B, 0, 1, 32, QUANTS_F32_ZERO)                     \
    X("uint" #B "_g64", uint##B##_g64, affine32, B, 0, 2, 32, QUANTS_F32_ZERO)                     \
    X("uint" #B "_g128", uint##B##_g128, affine32, B, 0, 4, 32, QUANTS_F32_ZERO)                   \
    X("uint" #B "_row", uint##B##_row, affine32, B, 0, 1, 32, QUANTS_ROW_ZERO)
#define QUANTS_INTS(X, B, ZERO)                                                                    \
    QUANTS_GROUPS(X, B, ZERO)                                                                      \
    X("int" #B "_row", int##B##_row, plain32, B, ZERO, 1, 32, QUANTS_ROW)

/* X(format, id, ready, bits, zero, blocks, sub, scale, book); `ready` names the tiles for what is unpacked. NF4 is
 * left to the kinds that can take it. */
#define QUANTS_EVERY(X)                                                                            \
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
    QUANTS_INTS(X, 4, 8) QUANTS_GROUPS(X, 8, 128)
/* Those that are met seldom: more than two rows run against what is unpacked. */
#define QUANTS_SELDOM(X)                                                                           \
    QUANTS_INTS(X, 2, 2)                                                                           \
    QUANTS_INTS(X, 3, 4) QUANTS_INTS(X, 5, 16) QUANTS_INTS(X, 6, 32) QUANTS_INTS(X, 7, 64)

#define QUANTS_TILE(NAME, SCHEME, BF16, AFFINE, ROWS, PANELS, STREAM)                              \
    static void NAME(const quants_tile *t) {                                                       \
        quants_run(SCHEME, BF16, AFFINE, ROWS, PANELS, STREAM, t);                                 \
    }
#define QUANTS_UNPACK(ID, BF16)                                                                    \
    static void ID##_unpack(const char *panel, int64_t from, int64_t units, char *out) {           \
        quants_ready(&ID, BF16, quants_affine(ID.scale), panel, from, units, out);                 \
    }

/* Tiles for ready operands of BITS bits, which hold codes of CODE bits. */
#define QUANTS_MANY_OF(ID, BITS, CODE, SUB, AFFINE, ROWS, PANELS)                                  \
    static const quants_scheme ID##_scheme##ROWS##x##PANELS = {                                    \
        .bits = BITS, .blocks = 1, .sub = SUB, .scale = QUANTS_READY, .ready = CODE};              \
    QUANTS_TILE(ID##_many##ROWS##x##PANELS, &ID##_scheme##ROWS##x##PANELS, BITS == 16, AFFINE,     \
                ROWS, PANELS, false)
#define QUANTS_PAIR_OF(ID, BITS, CODE, SUB, AFFINE, ROWS)                                          \
    QUANTS_MANY_OF(ID, BITS, CODE, SUB, AFFINE, ROWS, 1)                                           \
    QUANTS_MANY_OF(ID, BITS, CODE, SUB, AFFINE, ROWS, 2)
#define QUANTS_MANY(ID, BITS, CODE, SUB, AFFINE)                                                   \
    QUANTS_PAIR_OF(ID, BITS, CODE, SUB, AFFINE, 1)                                                 \
    QUANTS_PAIR_OF(ID, BITS, CODE, SUB, AFFINE, 2)                                                 \
    QUANTS_PAIR_OF(ID, BITS, CODE, SUB, AFFINE, 3)                                                 \
    QUANTS_PAIR_OF(ID, BITS, CODE, SUB, AFFINE, 4)                                                 \
    QUANTS_PAIR_OF(ID, BITS, CODE, SUB, AFFINE, 5)                                                 \
    QUANTS_PAIR_OF(ID, BITS, CODE, SUB, AFFINE, 6)
#define QUANTS_BOTH(ID, ROWS)                                                                      \
    { ID##_many##ROWS##x1, ID##_many##ROWS##x2 }
#define QUANTS_MANYS(ID)                                                                           \
    {                                                                                              \
        QUANTS_BOTH(ID, 1), QUANTS_BOTH(ID, 2), QUANTS_BOTH(ID, 3), QUANTS_BOTH(ID, 4),            \
            QUANTS_BOTH(ID, 5), QUANTS_BOTH(ID, 6)                                                 \
    }
/* As tables: plain32_many and so on. */
#define QUANTS_TABLE(ID, BITS, SUB, AFFINE)                                                        \
    QUANTS_MANY(ID, BITS, BITS, SUB, AFFINE)                                                       \
    static const quants_many ID##_many = QUANTS_MANYS(ID);
#define QUANTS_READY_TILES(BITS)                                                                   \
    QUANTS_TABLE(plain32, BITS, 32, false)                                                         \
    QUANTS_TABLE(affine32, BITS, 32, true)                                                         \
    QUANTS_TABLE(plain16, BITS, 16, false) QUANTS_TABLE(affine16, BITS, 16, true)

#endif
