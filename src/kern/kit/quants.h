/* Products with quantised weights, of any number of rows.
 *
 * a [.., M, K] is int8_g32 (32 codes under one scale), or plain floats, which are rounded to bf16. b [N, K] has one of
 * the formats of quants_schemes.h, and lies in panels of 16 outputs, lane = output, holding its codes, scales and
 * minima in about the bytes of the file:
 *
 *   panel = [head][unit 0][unit 1] ..      unit = [scales][block 0][block 1] ..      block = 32 k's
 *   block = planes of the codes' bits: four low bits (256 bytes), two (128), one (64); or whole bytes (512)
 *
 * In a plane, byte 4 n + j of a register belongs to output n and k = 4 g + j for group g of 0..7: whole bytes have
 * register g; of four bits, register g / 2 has nibble g % 2; of two, register g / 4 has pair g % 4; of one, bit g.
 *
 * int8: a step of vpdpbusd takes a group of four k's for 16 outputs, the weights being its unsigned operand; AVX2
 * reaches the same sums in halves of a panel (quants_avx2.h).
 *   y[m, n] = sum over subs, ascending: fma(sum of (code - zero) a, scale[n] * scale[m], ..), then for formats with
 *   minima                              fma(min[n], scale[m] * sum of a, ..)
 * A sub is 32 k's, or 16 where the format's scales change so often. Sums of codes are exact, starting at
 * -zero * (sum of a); the rest is one chain of f32 for each output element.
 *
 * bf16: codes less zero are exact in bf16. A group becomes two registers of pairs, (k0, k2) and (k1, k3), which is
 * cheap, and rows of a are laid out alike.
 *   y[m, n] = sum over subs: fma(chain of vdpbf16ps from zero, scale[n], ..), then fma(min[n], sum of a, ..)
 *
 * A few rows unpack in registers as the weights stream by, some rows a strip at a time; for more, blocks of two panels
 * are unpacked into scratch, as panels of ready operands and scales, and all rows of the unit run against them. */
#ifndef KERN_KIT_QUANTS_H
#define KERN_KIT_QUANTS_H

#include "dev/kernel.h"
#include <string.h>

enum { QUANTS_LANES = 16, QUANTS_BLOCK = 32, QUANTS_STRIP = 6, QUANTS_PAIR = 2 };
/* Rows that stream the weights; unpacking to bf16 costs more and pays for itself sooner. */
enum { QUANTS_FEW = 8, QUANTS_FEW_BF16 = 4 };
/* More rows, up to so many, unpack in registers too, once for a strip, two panels at a time; registers hold no more. */
enum { QUANTS_SOME = 48, QUANTS_PAIR_LEAST = 4 };

typedef enum quants_scale {
    QUANTS_F16,     /* unit: f16 [blocks][16] */
    QUANTS_F16_MIN, /* unit: f16 [blocks][2: scale, minimum][16] */
    QUANTS_K4, /* unit: f16 d [16], f16 dmin [16], the 12 bytes of num/kit/quant.h as u32 [3][16] */
    QUANTS_K6, /* unit: f16 d [16], i8 [subs][16] */
    QUANTS_K2, /* unit: f16 d [16], f16 dmin [16], u8 [subs][16], scale below, minimum above */
    QUANTS_F32,      /* unit: f32 [16] */
    QUANTS_F32_ZERO, /* unit: f32 [16], u8 [16] */
    QUANTS_ROW,      /* head: f32 [16]; unit: nothing */
    QUANTS_ROW_ZERO, /* head: f32 [16], u8 [16]; unit: nothing */
    QUANTS_READY, /* unit: f32 [subs][16], then minima f32 [subs][16] where affine; only in scratch */
} quants_scale;

/* What codes of 4 bits stand for; values of NF4 are not whole, so it has no int8 products and is rounded to bf16. */
typedef enum quants_book { QUANTS_LINEAR, QUANTS_IQ4, QUANTS_MXFP4, QUANTS_NF4 } quants_book;

typedef struct quants_scheme {
    int32_t bits, zero, blocks, sub; /* blocks of a unit; k's under one scale, 16 or 32 */
    quants_scale scale;
    quants_book book; /* not QUANTS_LINEAR: values, with `zero` added where they meet int8 */
    int32_t ready;    /* QUANTS_READY, int8: bits of the codes, each of which has 8 here */
} quants_scheme;

/* One row of a: [k's of whole units, int8 or bf16][info of each block]. Starts are -zero * sum of codes (int8), sums
 * those of a. Blocks of two subs have two starts, or, where the format is affine, whose zero is 0, two sums. */
typedef union quants_word {
    int32_t start;
    float sum;
} quants_word;
typedef struct quants_info {
    float scale;
    quants_word part[2]; /* start and sum; of the first and second 16 where sub is 16 */
} quants_info;

/* Rows of a against one or two panels: c[row * 64 + 16 * panel + lane]. */
typedef struct quants_tile {
    const char *a;                /* codes of the first row */
    int64_t a_stride, info_bytes; /* from row to row; from a row's codes to its info */
    const char *panel;
    int64_t panel_bytes, units;
    float *c;
    bool first;        /* else c holds what came before */
    const char *fetch; /* brought nearer on the way, so many lines with each block; NULL: nothing */
    int64_t fetch_lines;
} quants_tile;

typedef void quants_run_tile(const quants_tile *t);
typedef quants_run_tile *quants_many[QUANTS_STRIP][QUANTS_PAIR]; /* by rows - 1, panels - 1 */
typedef struct quants_family {
    const char *format; /* of b */
    quants_scheme scheme;
    int32_t less;                     /* is taken off int8's codes where they meet a */
    quants_run_tile *few[QUANTS_FEW]; /* by rows - 1; one panel; NULL: many does that */
    /* by rows - QUANTS_PAIR_LEAST; two panels, unpacked in registers; NULL: many does that */
    quants_run_tile *pair[QUANTS_STRIP - QUANTS_PAIR_LEAST + 1];
    const quants_many *many; /* of what is unpacked */
    /* `units` from unit `from` on, to QUANTS_READY */
    void (*unpack)(const char *panel, int64_t from, int64_t units, char *out);
} quants_family;

/* Closed by one without a format; in avx512/matmul_quants.c and matmul_quants_bf16.c, which has all formats. */
extern const quants_family quants_int8[], quants_bf16[];

/* A kernel's functions for one kind of activations. */
typedef struct quants_kind {
    const quants_family *families;
    bool bf16;
} quants_kind;

/* The family of a format, NULL: none. */
static inline const quants_family *quants_find(const quants_family *families, const num_format *f) {
    while (families->format && strcmp(families->format, f->name) != 0) families++;
    return families->format ? families : NULL;
}

static inline bool quants_affine(quants_scale s) {
    return s == QUANTS_F16_MIN || s == QUANTS_K4 || s == QUANTS_K2 || s == QUANTS_F32_ZERO ||
           s == QUANTS_ROW_ZERO;
}
/* Bits of what stands for codes in int8. */
#define QUANTS_CODE_BITS(bits, book)                                                               \
    ((book) == QUANTS_IQ4 ? 8 : (book) == QUANTS_MXFP4 ? 5 : (bits))
static inline int32_t quants_code_bits(const quants_scheme *s) {
    return s->scale == QUANTS_READY ? s->ready : QUANTS_CODE_BITS(s->bits, s->book);
}
static inline int64_t quants_subs(const quants_scheme *s) {
    return s->blocks * QUANTS_BLOCK / s->sub;
}
static inline int64_t quants_head_bytes(quants_scale s) {
    return s == QUANTS_ROW ? 64 : s == QUANTS_ROW_ZERO ? 128 : 0;
}
static inline int64_t quants_block_bytes(const quants_scheme *s) {
    return (int64_t)s->bits * QUANTS_BLOCK * QUANTS_LANES / 8;
}
/* Bytes of a unit's scales; `affine` is asked for QUANTS_READY only. */
static inline int64_t quants_scale_bytes(const quants_scheme *s, bool affine) {
    switch (s->scale) {
    case QUANTS_F16:
        return 32 * s->blocks;
    case QUANTS_F16_MIN:
        return 64 * s->blocks;
    case QUANTS_K4:
        return 64 + 192;
    case QUANTS_K6:
        return 32 + 16 * quants_subs(s);
    case QUANTS_K2:
        return 64 + 16 * quants_subs(s);
    case QUANTS_F32:
        return 64;
    case QUANTS_F32_ZERO:
        return 80;
    case QUANTS_READY:
        return 64 * quants_subs(s) * (affine ? 2 : 1);
    default:
        return 0;
    }
}
static inline int64_t quants_unit_bytes(const quants_scheme *s, bool affine) {
    return quants_scale_bytes(s, affine) + s->blocks * quants_block_bytes(s);
}
static inline int64_t quants_panel_bytes(const quants_scheme *s, int64_t k) {
    return quants_head_bytes(s->scale) +
           div_up(k, s->blocks * QUANTS_BLOCK) * quants_unit_bytes(s, quants_affine(s->scale));
}

/* quants_pack.c: one panel of a matrix in a scheme's format, and one output's row back. */
void quants_pack_panel(const quants_scheme *s, const tensor *t, int64_t panel, char *out);
void quants_unpack_row(const quants_scheme *s, const tensor *t, const char *packed, int64_t row,
                       float *out);
#endif
