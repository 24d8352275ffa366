/* Whole numbers of 2 to 8 bits under a shared scale: in groups of 32, 64 or 128 along a row, or one group
 * for the row.
 *
 *   intB_gN    group = [f32 scale][codes]            value = scale * (code - 2^(B-1))
 *   uintB_gN   group = [f32 scale][u8 zero][codes]   value = scale * (code - zero)
 *   intB_row, uintB_row: the same head once, before the codes of the whole row (int8_row is a file of its own)
 *
 * Code i lies at bits B i .. B i + B - 1 of the codes, counted from the lowest bit of the first byte, so
 * eight codes fill B bytes; a group that the row does not fill is filled up with zeros. That is also how
 * GPTQ packs a column, so its folders are read without rounding (store/packed.c).
 *
 * Packing, symmetric: scale = amax / (2^(B-1) - 1/2), of which the codes reach one half less on the positive
 * side and one half more on the other; 8 bits use amax / 127 and -127..127, as int8_row does. Affine: the
 * range is widened to hold zero, scale = range / (2^B - 1), zero = round(-low / scale). Codes are rounded to
 * nearest, ties to even. A group with NaN or infinity gets a NaN scale and reads as NaN throughout. */
#include "num/kit/ints.h"
#include "num/kit/quant.h"

typedef void unpack_codes(const uint8_t *in, int64_t count, float scale, float zero, float *out);

typedef struct int_family {
    ints_layout as;
    unpack_codes *codes;
} int_family;

/* Eight codes a step; the last step may give fewer. */
#define CODES(B)                                                                                   \
    VECTOR_CLONES                                                                                  \
    static void codes_##B(const uint8_t *restrict in, int64_t count, float scale, float zero,      \
                          float *restrict out) {                                                   \
        int64_t whole = count / 8 * 8;                                                             \
        for (int64_t i = 0; i < whole; i += 8, in += (B)) {                                        \
            uint64_t word = 0;                                                                     \
            memcpy(&word, in, (B));                                                                \
            for (int k = 0; k < 8; k++)                                                            \
                out[i + k] = scale * ((float)(int)(word >> (B)*k & ((1 << (B)) - 1)) - zero);      \
        }                                                                                          \
        uint64_t word = 0;                                                                         \
        if (whole < count) memcpy(&word, in, (B));                                                 \
        for (int64_t i = whole; i < count; i++, word >>= (B))                                      \
            out[i] = scale * ((float)(int)(word & ((1 << (B)) - 1)) - zero);                       \
    }

CODES(2)
CODES(3)
CODES(4)
CODES(5)
CODES(6)
CODES(7)
CODES(8)

static int64_t head_bytes(const int_family *f) {
    return f->as.affine ? 5 : 4;
}

static int32_t middle(const int_family *f) {
    return 1 << (f->as.bits - 1);
}

static void unpack_group(const int_family *f, const uint8_t *head, const uint8_t *codes,
                         int64_t count, float *out) {
    float scale;
    memcpy(&scale, head, 4);
    f->codes(codes, count, scale, (float)(f->as.affine ? head[4] : middle(f)), out);
}

static void unpack_ints(const int_family *f, const void *row, int64_t first, int64_t count,
                        float *out) {
    const uint8_t *at = row;
    if (!f->as.group) {
        unpack_group(f, at, at + head_bytes(f) + first / 8 * f->as.bits, count, out);
        return;
    }
    int64_t block = head_bytes(f) + f->as.group / 8 * f->as.bits;
    at += first / f->as.group * block;
    for (int64_t i = 0; i < count; i += f->as.group, at += block)
        unpack_group(f, at, at + head_bytes(f), MIN_OF(f->as.group, count - i), out + i);
}

/* Values to pack, as floats or as doubles that are rounded on the way. */
typedef struct source {
    const float *single;
    const double *wide;
} source;

static float value_at(const source *s, int64_t i) {
    return s->single ? s->single[i] : (float)s->wide[i];
}

/* The range, widened to zero; false where a value is not finite. */
static bool range_of(const source *s, int64_t from, int64_t to, float *lo, float *hi) {
    *lo = *hi = 0;
    for (int64_t i = from; i < to; i++) {
        float x = value_at(s, i);
        if (!isfinite(x)) return false;
        if (x < *lo) *lo = x;
        if (x > *hi) *hi = x;
    }
    return true;
}

/* Stores the head; `zero` is the code of 0. */
static float pack_head(const int_family *f, const source *s, int64_t from, int64_t to,
                       uint8_t *head, int *zero) {
    float lo, hi, scale = NAN, top = (float)((1 << f->as.bits) - 1);
    *zero = middle(f);
    if (range_of(s, from, to, &lo, &hi)) {
        if (f->as.affine)
            scale = hi / top - lo / top;
        else
            scale = MAX_OF(hi, -lo) / (f->as.bits == 8 ? 127.0f : top / 2);
    }
    memcpy(head, &scale, 4);
    if (f->as.affine) {
        *zero = scale > 0 ? quant_nearest(-lo / scale, 0, (int)top) : 0;
        head[4] = (uint8_t)*zero;
    }
    return scale;
}

/* Eight codes into as many bytes as they have bits. */
static void put_codes(const uint8_t code[8], int32_t bits, uint8_t *out) {
    uint64_t word = 0;
    for (int k = 0; k < 8; k++) word |= (uint64_t)code[k] << k * bits;
    memcpy(out, &word, (size_t)bits);
}

static void pack_group(const int_family *f, const source *s, int64_t from, int64_t to,
                       int64_t fill_to, uint8_t *head, uint8_t *codes) {
    int zero, top = (1 << f->as.bits) - 1;
    float scale = pack_head(f, s, from, to, head, &zero);
    int least = !f->as.affine && f->as.bits == 8 ? 1 : 0;
    for (int64_t i = from; i < fill_to; i += 8, codes += f->as.bits) {
        uint8_t code[8];
        for (int k = 0; k < 8; k++) {
            code[k] = (uint8_t)zero;
            if (i + k < to && scale > 0)
                code[k] =
                    (uint8_t)(quant_nearest(value_at(s, i + k) / scale, least - zero, top - zero) +
                              zero);
        }
        put_codes(code, f->as.bits, codes);
    }
}

static void pack_ints(const int_family *f, source s, int64_t count, void *row) {
    int64_t head = head_bytes(f), group = f->as.group ? f->as.group : round_up(count, 8);
    int64_t block = head + group / 8 * f->as.bits;
    uint8_t *at = row;
    if (!count && !f->as.group) pack_group(f, &s, 0, 0, 0, at, at + head);
    for (int64_t i = 0; i < count; i += group, at += block)
        pack_group(f, &s, i, MIN_OF(i + group, count), i + group, at, at + head);
}

/* X(name, bits, affine, group) for every format. */
#define GROUPED(X, B)                                                                              \
    X(int##B##_g32, B, 0, 32)                                                                      \
    X(int##B##_g64, B, 0, 64)                                                                      \
    X(int##B##_g128, B, 0, 128)                                                                    \
    X(uint##B##_g32, B, 1, 32) X(uint##B##_g64, B, 1, 64) X(uint##B##_g128, B, 1, 128)             \
        X(uint##B##_row, B, 1, 0)
#define EVERY(X)                                                                                   \
    GROUPED(X, 2)                                                                                  \
    X(int2_row, 2, 0, 0)                                                                           \
    GROUPED(X, 3)                                                                                  \
    X(int3_row, 3, 0, 0) GROUPED(X, 4) X(int4_row, 4, 0, 0) GROUPED(X, 5) X(int5_row, 5, 0, 0)     \
        GROUPED(X, 6) X(int6_row, 6, 0, 0) GROUPED(X, 7) X(int7_row, 7, 0, 0) GROUPED(X, 8)

#define FUNCTIONS(NAME, B, AFFINE, GROUP)                                                          \
    static const int_family family_##NAME = {{B, AFFINE, GROUP}, codes_##B};                       \
    static void unpack_##NAME(const void *row, int64_t first, int64_t count, float *out) {         \
        unpack_ints(&family_##NAME, row, first, count, out);                                       \
    }                                                                                              \
    static void pack_##NAME(const float *in, int64_t count, void *row) {                           \
        pack_ints(&family_##NAME, (source){.single = in}, count, row);                             \
    }                                                                                              \
    static void pack_f64_##NAME(const double *in, int64_t count, void *row) {                      \
        pack_ints(&family_##NAME, (source){.wide = in}, count, row);                               \
    }
EVERY(FUNCTIONS)

#define ENTRY(NAME, B, AFFINE, GROUP)                                                              \
    {.name = #NAME,                                                                                \
     .kind = NUM_BLOCK,                                                                            \
     .block_elems = GROUP ? GROUP : 8,                                                             \
     .block_bytes = GROUP ? 4 + AFFINE + GROUP / 8 * B : B,                                        \
     .row_head_bytes = GROUP ? 0 : 4 + AFFINE,                                                     \
     .error = 0.5 / (B == 8 && !AFFINE ? 127 : (1 << B) / 2.0 - 0.5) + 0x1p-20,                    \
     .unpack = unpack_##NAME,                                                                      \
     .pack = pack_##NAME,                                                                          \
     .pack_f64 = pack_f64_##NAME},
const num_format formats_ints[] = {EVERY(ENTRY){0}};

#define FAMILY(NAME, B, AFFINE, GROUP) &family_##NAME,
static const int_family *const families[] = {EVERY(FAMILY)};

bool ints_layout_of(const num_format *f, ints_layout *out) {
    if (f < formats_ints || f >= formats_ints + COUNT_OF(families)) return false;
    *out = families[f - formats_ints]->as;
    return true;
}

const num_format *ints_format(ints_layout layout) {
    for (int64_t i = 0; i < COUNT_OF(families); i++)
        if (families[i]->as.bits == layout.bits && families[i]->as.affine == layout.affine &&
            families[i]->as.group == layout.group)
            return &formats_ints[i];
    return NULL;
}

void ints_store(const num_format *f, int64_t count, const uint8_t *codes, const float *scales,
                const uint8_t *zeros, void *row) {
    const ints_layout as = families[f - formats_ints]->as;
    int64_t group = as.group ? as.group : round_up(count, 8);
    uint8_t *at = row;
    for (int64_t i = 0, g = 0; i < count; i += group, g++) {
        memcpy(at, &scales[g], 4);
        at += 4;
        if (as.affine) *at++ = zeros[g];
        uint8_t fill = as.affine ? zeros[g] : (uint8_t)(1 << (as.bits - 1));
        for (int64_t from = i; from < i + group; from += 8, at += as.bits) {
            uint8_t code[8];
            for (int k = 0; k < 8; k++) code[k] = from + k < count ? codes[from + k] : fill;
            put_codes(code, as.bits, at);
        }
    }
}

void ints_take(const num_format *f, int64_t count, const void *row, uint8_t *codes, float *scales,
               uint8_t *zeros) {
    const ints_layout as = families[f - formats_ints]->as;
    int64_t group = as.group ? as.group : round_up(count, 8);
    const uint8_t *at = row;
    for (int64_t i = 0, g = 0; i < count; i += group, g++) {
        memcpy(&scales[g], at, 4);
        at += 4;
        zeros[g] = as.affine ? *at++ : (uint8_t)(1 << (as.bits - 1));
        for (int64_t from = i; from < i + group; from += 8, at += as.bits) {
            uint64_t word = 0;
            memcpy(&word, at, (size_t)as.bits);
            for (int k = 0; k < 8 && from + k < count; k++)
                codes[from + k] = (uint8_t)(word >> k * as.bits & ((1u << as.bits) - 1));
        }
    }
}
