/* Grids of whole numbers: what a group of values is rounded to. value = scale (code - zero), code in 0 .. 2^bits - 1.
 *
 *   symmetric   zero = 2^(bits - 1), scale = largest magnitude / (2^(bits - 1) - 1/2)
 *   affine      the range, widened to hold 0: scale = range / (2^bits - 1), zero = round(-low / scale)
 *   search      of scales from 0.5 to 1 times that one, the one with the least squared error
 *
 * Scales are rounded to f16, and then codes are chosen, so that every file that holds them (GPTQ, AWQ, GGUF) holds the
 * very same values. */
#ifndef COMPRESS_KIT_GRID_H
#define COMPRESS_KIT_GRID_H

#include "compress/kit/compress.h"

typedef struct grid {
    int32_t bits;
    bool affine;
    int64_t group; /* 0: the row */
    bool search;
} grid;

typedef struct grid_scale {
    float scale;
    int32_t zero;
} grid_scale;

/* The arguments that methods with grids share: first members of their options, and their table. */
#define GRID_MEMBERS                                                                               \
    int64_t bits, group;                                                                           \
    bool affine, search
#define GRID_OPTIONS(T, group_initial)                                                             \
    OPTION(T, bits, OPTION_INT, .initial = "4", RANGE(2, 8), .help = "bits of a code"),            \
        OPTION(T, group, OPTION_INT, .initial = group_initial, RANGE(0, 1 << 20),                  \
               .help = "values of a row under one scale, a multiple of 32; 0: the row"),           \
        OPTION(T, affine, OPTION_BOOL, .help = "a zero point for each scale"),                     \
        OPTION(T, search, OPTION_BOOL, .help = "scales of least squared error")
#define GRID_OF(o) ((grid){(int32_t)(o)->bits, (o)->affine, (o)->group, (o)->search})

/* Whether all products can hold such codes; then sets c->coded. For methods' checks. */
status grid_check(compress *c, const grid *g) MUST_USE;
/* The format of such codes in rows of k; refuses what no format holds, by the matrix's name. */
status grid_format(context *cx, const grid *g, int64_t k, const char *name,
                   const num_format **out) MUST_USE;
/* For n values, each weighing as `importance` says (NULL: alike). */
grid_scale grid_fit(const grid *g, const float *x, int64_t n, const float *importance);
/* Nearest, ties to even, within the grid. */
int32_t grid_code(const grid *g, grid_scale s, float x);
static inline float grid_value(grid_scale s, int32_t code) {
    return s.scale * (float)(code - s.zero);
}
static inline int64_t grid_groups(const grid *g, int64_t k) {
    return g->group ? div_up(k, g->group) : 1;
}
/* A row of k: codes, and the scale of each group. */
void grid_round_row(const grid *g, const float *x, int64_t k, const float *importance,
                    uint8_t *codes, grid_scale *scales);
/* The product's matrix becomes these codes [n, k] under these scales [n, groups]. */
status grid_store(compress *c, const product *p, const grid *g, const uint8_t *codes,
                  const grid_scale *scales) MUST_USE;
/* The product's values to their nearest codes; `tensor`: under one scale for the whole matrix. */
status grid_round_product(compress *c, const product *p, const grid *g, bool tensor) MUST_USE;

#endif
