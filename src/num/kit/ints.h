/* The integer formats of num/family/ints.c seen as codes: for packings that keep them elsewhere and for
 * kernels, which need the codes and not the values. */
#ifndef NUM_KIT_INTS_H
#define NUM_KIT_INTS_H

#include "num/num.h"

typedef struct ints_layout {
    int32_t bits;
    bool affine;
    int64_t group; /* 0: the row */
} ints_layout;

/* False for formats of another family. */
bool ints_layout_of(const num_format *f, ints_layout *out);
/* The format of that layout; NULL: there is none. */
const num_format *ints_format(ints_layout layout);

/* A row from its codes and, for each group, its scale and (where the format is affine) the code of zero. */
void ints_store(const num_format *f, int64_t count, const uint8_t *codes, const float *scales,
                const uint8_t *zeros, void *row);
/* The other way; zeros are the middle where the format is symmetric. */
void ints_take(const num_format *f, int64_t count, const void *row, uint8_t *codes, float *scales,
               uint8_t *zeros);

#endif
