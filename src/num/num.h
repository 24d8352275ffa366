/* Number formats. A tensor's innermost axis is a row in one format; rows lie one behind the other.
 *   row = [head: row_head_bytes][block 0][block 1] ...     block = block_elems values in
 * block_bytes Plain types have blocks of one value and no head. A format knows how to pack and
 * unpack a row and how large its error is; everything else in Hone (reference ops, loaders,
 * converters) works through that, so that a new format is one file. Packing rounds to nearest, ties
 * to even, unless a file says why not. */
#ifndef NUM_NUM_H
#define NUM_NUM_H

#include "base/compiler.h"
#include <stdbool.h>

typedef enum num_kind {
    NUM_FLOAT, /* values, one by one */
    NUM_BLOCK, /* values that share scales */
    NUM_INDEX, /* whole numbers that mean positions; never converted to a float */
} num_kind;

typedef struct num_format {
    const char *name; /* also its name on disk and in options */
    num_kind kind;
    int32_t block_elems, block_bytes, row_head_bytes;
    /* |unpack(pack(x)) - x| <= error * (largest magnitude in x's block) for finite x in range */
    double error;
    double largest; /* largest finite magnitude, 0: as large as its scale allows */
    int32_t kept;   /* values of a block that may differ from 0; 0: all of them */

    /* `first` is a multiple of block_elems; `count` reaches to any element of the row. */
    void (*unpack)(const void *row, int64_t first, int64_t count, float *out);
    /* A whole row at once. */
    void (*pack)(const float *in, int64_t count, void *row);
    /* The same where errors of some values count more; NULL: the format makes nothing of that. */
    void (*pack_weighted)(const float *in, const float *weight, int64_t count, void *row);
    /* Only where float would lose something (f64); else NULL. */
    void (*unpack_f64)(const void *row, int64_t first, int64_t count, double *out);
    void (*pack_f64)(const double *in, int64_t count, void *row);
    /* NUM_INDEX only. */
    void (*unpack_index)(const void *row, int64_t first, int64_t count, int64_t *out);
    void (*pack_index)(const int64_t *in, int64_t count, void *row);
    /* Packs many rows that share one scale (a scale per tensor); NULL: rows are independent. */
    void (*pack_tensor)(const float *in, int64_t rows, int64_t count, void *out);
    void (*pack_tensor_f64)(const double *in, int64_t rows, int64_t count, void *out);
} num_format;

/* One format a file, and tables of formats that differ in numbers only, each closed by {0}. */
extern const num_format *const registry_format[];
extern const num_format *const registry_format_family[];

/* Every format once, by a counter from 0; NULL behind the last. */
const num_format *num_at(int64_t index);
/* NULL if there is none of that name. */
const num_format *num_find(const char *name);

static inline int64_t num_row_bytes(const num_format *f, int64_t count) {
    return f->row_head_bytes + div_up(count, f->block_elems) * f->block_bytes;
}

/* Any NUM_FLOAT or NUM_BLOCK format, through float where the format has no exact way. */
void num_unpack_f64(const num_format *f, const void *row, int64_t first, int64_t count,
                    double *out);
void num_pack_f64(const num_format *f, const double *in, int64_t count, void *row);

#endif
