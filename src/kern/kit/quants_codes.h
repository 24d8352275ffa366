/* A group's codes as bytes of a register, from the planes of quants.h; on the registers of quants_avx512.h or
 * quants_avx2.h, which include this. */
#ifndef KERN_KIT_QUANTS_CODES_H
#define KERN_KIT_QUANTS_CODES_H

#include "kern/kit/quants.h"

/* Codes of group g of a block, or, where they stand for other values and `book` is asked for, zero + value. */
ALWAYS_INLINE qi quants_codes(const quants_scheme *s, bool book, const char *block, int g) {
    if (s->bits == 8) return qi_load(block + 64 * g);
    qi code = qi_set(0);
    int done = 0;
    if (s->bits & 4) {
        code = qi_and(qi_shift(qi_load(block + 64 * (g / 2)), -4 * (g % 2)), qi_set_bytes(15));
        block += 256;
        done = 4;
    }
    if (s->bits & 2) {
        qi x = qi_shift(qi_load(block + 64 * (g / 4)), done - 2 * (g % 4));
        code = qi_merge(code, x, qi_set_bytes(3 << done));
        block += 128;
        done += 2;
    }
    if (s->bits & 1)
        code = qi_merge(code, qi_shift(qi_load(block), done - g), qi_set_bytes(1 << done));
    if (s->book == QUANTS_LINEAR || s->book == QUANTS_NF4 || !book) return code;
    static const uint8_t iq4[] = {1,   24,  45,  63,  79,  93,  106, 118,
                                  129, 141, 153, 166, 181, 197, 217, 241};
    static const uint8_t mxfp4[] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
    return qi_lookup(s->book == QUANTS_IQ4 ? iq4 : mxfp4, code);
}

#endif
