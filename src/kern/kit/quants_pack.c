/* Rows of a format taken apart into codes and scales, and put into panels. */
#include "kern/kit/quants.h"
#include "num/kit/half.h"
#include "num/kit/ints.h"
#include "num/kit/quant.h"
#include <string.h>

/* Codes of block `block` (32 values) of a row. */
typedef void codes_of(const uint8_t *row, int64_t block, uint8_t *out);

static void nibbles(const uint8_t *codes, uint8_t *out) {
    for (int i = 0; i < 16; i++) {
        out[i] = codes[i] & 15;
        out[i + 16] = codes[i] >> 4;
    }
}
static void codes_q4_0(const uint8_t *row, int64_t block, uint8_t *out) {
    nibbles(row + 18 * block + 2, out);
}
static void codes_q4_1(const uint8_t *row, int64_t block, uint8_t *out) {
    nibbles(row + 20 * block + 4, out);
}
static void codes_mxfp4(const uint8_t *row, int64_t block, uint8_t *out) {
    nibbles(row + 17 * block + 1, out);
}
static void codes_nf4(const uint8_t *row, int64_t block, uint8_t *out) {
    const uint8_t *at = row + 36 * (block / 2) + 4 + 16 * (block % 2);
    for (int i = 0; i < 32; i++) out[i] = i % 2 ? at[i / 2] & 15 : at[i / 2] >> 4;
}
static void codes_iq4_xs(const uint8_t *row, int64_t block, uint8_t *out) {
    nibbles(row + 136 * (block / 8) + 8 + 16 * (block % 8), out);
}
static void fifth_bits(const uint8_t *high, uint8_t *out) {
    for (int i = 0; i < 32; i++) out[i] |= (uint8_t)((high[i / 8] >> i % 8 & 1) << 4);
}
static void codes_q5_0(const uint8_t *row, int64_t block, uint8_t *out) {
    nibbles(row + 22 * block + 6, out);
    fifth_bits(row + 22 * block + 2, out);
}
static void codes_q5_1(const uint8_t *row, int64_t block, uint8_t *out) {
    nibbles(row + 24 * block + 8, out);
    fifth_bits(row + 24 * block + 4, out);
}
static void codes_q8_0(const uint8_t *row, int64_t block, uint8_t *out) {
    for (int i = 0; i < 32; i++) out[i] = row[34 * block + 2 + i] ^ 0x80;
}
static void codes_q4_k(const uint8_t *row, int64_t block, uint8_t *out) {
    const uint8_t *at = row + 144 * (block / 8) + 16 + 32 * (block % 8 / 2);
    for (int i = 0; i < 32; i++) out[i] = at[i] >> block % 2 * 4 & 15;
}
static void codes_q5_k(const uint8_t *row, int64_t block, uint8_t *out) {
    const uint8_t *at = row + 176 * (block / 8), *low = at + 48 + 32 * (block % 8 / 2);
    for (int i = 0; i < 32; i++)
        out[i] = (uint8_t)((low[i] >> block % 2 * 4 & 15) | (at[16 + i] >> block % 8 & 1) << 4);
}
static void codes_q6_k(const uint8_t *row, int64_t block, uint8_t *out) {
    int64_t h = block % 8 / 4, s = block % 4;
    const uint8_t *at = row + 210 * (block / 8), *low = at + 64 * h + 32 * (s % 2);
    const uint8_t *high = at + 128 + 32 * h;
    for (int i = 0; i < 32; i++)
        out[i] = (uint8_t)((low[i] >> s / 2 * 4 & 15) | (high[i] >> 2 * s & 3) << 4);
}
static void codes_q3_k(const uint8_t *row, int64_t block, uint8_t *out) {
    int64_t s = block % 4;
    const uint8_t *at = row + 110 * (block / 8), *low = at + 32 + 32 * (block % 8 / 4);
    for (int i = 0; i < 32; i++)
        out[i] = (uint8_t)((low[i] >> 2 * s & 3) | (at[i] >> block % 8 & 1) << 2);
}
static void codes_q2_k(const uint8_t *row, int64_t block, uint8_t *out) {
    const uint8_t *at = row + 84 * (block / 8) + 16 + 32 * (block % 8 / 4);
    for (int i = 0; i < 32; i++) out[i] = at[i] >> 2 * (block % 4) & 3;
}

static const struct {
    const char *format;
    codes_of *codes;
} splits[] = {{"q4_0", codes_q4_0},   {"q4_1", codes_q4_1},   {"q5_0", codes_q5_0},
              {"q5_1", codes_q5_1},   {"q8_0", codes_q8_0},   {"q4_k", codes_q4_k},
              {"q5_k", codes_q5_k},   {"q6_k", codes_q6_k},   {"q3_k", codes_q3_k},
              {"q2_k", codes_q2_k},   {"iq4_nl", codes_q4_0}, {"iq4_xs", codes_iq4_xs},
              {"mxfp4", codes_mxfp4}, {"nf4", codes_nf4}};

/* How a panel is filled: where the codes come from. */
typedef struct filling {
    const quants_scheme *scheme;
    const num_format *format;
    codes_of *codes; /* NULL: an integer format */
    ints_layout ints;
    int64_t k, blocks; /* of a row: values, and blocks of 32 that it holds */
} filling;

static filling filling_of(const quants_scheme *s, const tensor *t) {
    filling x = {.scheme = s, .format = t->format, .k = t->dim[t->rank - 1]};
    x.blocks = div_up(x.k, QUANTS_BLOCK);
    if (ints_layout_of(t->format, &x.ints)) return x;
    for (int64_t i = 0; i < COUNT_OF(splits); i++)
        if (!strcmp(splits[i].format, t->format->name)) x.codes = splits[i].codes;
    return x;
}

/* The group's head, and its codes from value `first` on. */
static const uint8_t *ints_at(const filling *x, const uint8_t *row, int64_t first,
                              const uint8_t **head) {
    int64_t head_bytes = x->ints.affine ? 5 : 4, group = x->ints.group;
    *head = group ? row + first / group * x->format->block_bytes : row;
    return *head + head_bytes + (group ? first % group : first) / 8 * x->ints.bits;
}

static void block_codes(const filling *x, const uint8_t *row, int64_t block, uint8_t *out) {
    memset(out, 0, QUANTS_BLOCK);
    if (block >= x->blocks) return;
    if (x->codes) {
        x->codes(row, block, out);
        return;
    }
    const uint8_t *head, *at = ints_at(x, row, block * QUANTS_BLOCK, &head);
    int64_t count = MIN_OF(QUANTS_BLOCK, round_up(x->k - block * QUANTS_BLOCK, 8));
    for (int64_t i = 0; i < count; i += 8, at += x->ints.bits) {
        uint64_t word = 0;
        memcpy(&word, at, (size_t)x->ints.bits);
        for (int j = 0; j < 8; j++)
            out[i + j] = (uint8_t)(word >> j * x->ints.bits & ((1u << x->ints.bits) - 1));
    }
}

/* One output's codes of a block into the planes. */
static void put_codes(int32_t bits, const uint8_t *codes, int lane, uint8_t *block) {
    for (int k = 0; k < QUANTS_BLOCK; k++) {
        int g = k / 4, at = 4 * lane + k % 4, done = 0;
        uint8_t *plane = block, code = codes[k];
        if (bits == 8) {
            plane[64 * g + at] = code;
            continue;
        }
        if (bits & 4) {
            plane[64 * (g / 2) + at] |= (uint8_t)((code & 15) << 4 * (g % 2));
            plane += 256;
            done = 4;
        }
        if (bits & 2) {
            plane[64 * (g / 4) + at] |= (uint8_t)((code >> done & 3) << 2 * (g % 4));
            plane += 128;
            done += 2;
        }
        if (bits & 1) plane[at] |= (uint8_t)((code >> done & 1) << g);
    }
}

static uint8_t get_code(int32_t bits, const uint8_t *block, int lane, int k) {
    int g = k / 4, at = 4 * lane + k % 4, done = 0, code = 0;
    if (bits == 8) return block[64 * g + at];
    if (bits & 4) {
        code = block[64 * (g / 2) + at] >> 4 * (g % 2) & 15;
        block += 256;
        done = 4;
    }
    if (bits & 2) {
        code |= (block[64 * (g / 4) + at] >> 2 * (g % 4) & 3) << done;
        block += 128;
        done += 2;
    }
    if (bits & 1) code |= (block[at] >> g & 1) << done;
    return (uint8_t)code;
}

/* ---- scales ---- */

static void put(uint8_t *to, int lane, const uint8_t *from, int bytes) {
    memcpy(to + lane * bytes, from, (size_t)bytes);
}

/* Formats with f16 scales in blocks of 32: [f16 d] or [f16 d][f16 m] in front. */
static void put_small_scales(const filling *x, const uint8_t *row, int64_t unit, int lane,
                             uint8_t *to) {
    const quants_scheme *s = x->scheme;
    int halves = s->scale == QUANTS_F16_MIN ? 2 : 1;
    for (int64_t b = 0; b < s->blocks; b++, to += 32 * halves) {
        int64_t block = unit * s->blocks + b;
        for (int h = 0; h < halves && block < x->blocks; h++)
            put(to + 32 * h, lane, row + block * x->format->block_bytes + 2 * h, 2);
    }
}

/* The signed scale of a sub of the formats that have one f16 and 6 or 8 bits for each sub. */
static int sub_scale(const filling *x, const uint8_t *block, int64_t sub) {
    if (!strcmp(x->format->name, "q6_k")) return (int8_t)block[192 + sub];
    if (!strcmp(x->format->name, "iq4_xs"))
        return ((block[4 + sub / 2] >> sub % 2 * 4 & 15) |
                ((block[2 + sub / 4] >> 2 * (sub % 4)) & 3) << 4) -
               32;
    return quant_scale_k3(block + 96, (int)sub);
}

static int half_at(const filling *x) {
    return !strcmp(x->format->name, "q6_k") ? 208 : !strcmp(x->format->name, "q3_k") ? 108 : 0;
}

static void put_k_scales(const filling *x, const uint8_t *block, int lane, uint8_t *to) {
    const quants_scheme *s = x->scheme;
    if (s->scale == QUANTS_K4) {
        put(to, lane, block, 2);
        put(to + 32, lane, block + 2, 2);
        for (int w = 0; w < 3; w++) put(to + 64 + 64 * w, lane, block + 4 + 4 * w, 4);
    } else if (s->scale == QUANTS_K2) {
        put(to, lane, block + 80, 2);
        put(to + 32, lane, block + 82, 2);
        for (int g = 0; g < 16; g++) put(to + 64 + 16 * g, lane, block + g, 1);
    } else {
        put(to, lane, block + half_at(x), 2);
        for (int64_t g = 0; g < quants_subs(s); g++)
            to[32 + 16 * g + lane] = (uint8_t)sub_scale(x, block, g);
    }
}

static void put_float_scales(const filling *x, const uint8_t *row, int64_t first, int lane,
                             uint8_t *to) {
    const uint8_t *head;
    if (x->scheme->book == QUANTS_NF4) {
        put(to, lane, row + first / 64 * x->format->block_bytes, 4);
        return;
    }
    if (x->scheme->book == QUANTS_MXFP4) {
        float scale = quant_scale_mx(row[first / 32 * x->format->block_bytes]);
        memcpy(to + 4 * lane, &scale, 4);
        return;
    }
    ints_at(x, row, first, &head);
    put(to, lane, head, 4);
    if (x->ints.affine) to[64 + lane] = head[4];
}

static void put_scales(const filling *x, const uint8_t *row, int64_t unit, int lane, uint8_t *to) {
    const quants_scheme *s = x->scheme;
    int64_t first = unit * s->blocks * QUANTS_BLOCK;
    if (quants_head_bytes(s->scale) || first >= x->k) return;
    if (s->scale == QUANTS_F16 || s->scale == QUANTS_F16_MIN)
        put_small_scales(x, row, unit, lane, to);
    else if (s->scale == QUANTS_F32 || s->scale == QUANTS_F32_ZERO)
        put_float_scales(x, row, first, lane, to);
    else
        put_k_scales(x, row + unit * x->format->block_bytes, lane, to);
}

void quants_pack_panel(const quants_scheme *s, const tensor *t, int64_t panel, char *out) {
    const filling x = filling_of(s, t);
    bool affine = quants_affine(s->scale);
    int64_t rows = t->dim[t->rank - 2], row_bytes = num_row_bytes(t->format, x.k);
    int64_t units = div_up(x.k, s->blocks * QUANTS_BLOCK), head = quants_head_bytes(s->scale);
    memset(out, 0, (size_t)quants_panel_bytes(s, x.k));
    for (int lane = 0; lane < QUANTS_LANES && panel * QUANTS_LANES + lane < rows; lane++) {
        const uint8_t *row = (const uint8_t *)t->data + (panel * QUANTS_LANES + lane) * row_bytes;
        uint8_t *unit = (uint8_t *)out + head, codes[QUANTS_BLOCK];
        if (head) put_float_scales(&x, row, 0, lane, (uint8_t *)out);
        for (int64_t u = 0; u < units; u++, unit += quants_unit_bytes(s, affine)) {
            put_scales(&x, row, u, lane, unit);
            for (int64_t b = 0; b < s->blocks; b++) {
                block_codes(&x, row, u * s->blocks + b, codes);
                put_codes(s->bits, codes, lane,
                          unit + quants_scale_bytes(s, affine) + b * quants_block_bytes(s));
            }
        }
    }
}

/* ---- back ---- */

static float half_of(const uint8_t *p, int lane) {
    return quant_load_f16(p + 2 * lane);
}

/* Scale and minimum of one output's sub; `minimum` is added. */
static void scale_of(const quants_scheme *s, const uint8_t *head, const uint8_t *p, int64_t sub,
                     int lane, float *scale, float *minimum, int *zero) {
    int64_t block = sub * s->sub / QUANTS_BLOCK;
    uint8_t packed[12], scales[8], minima[8];
    const uint8_t *one = s->scale == QUANTS_ROW || s->scale == QUANTS_ROW_ZERO ? head : p;
    *minimum = 0;
    *zero = s->zero;
    switch (s->scale) {
    case QUANTS_F16:
        *scale = half_of(p + 32 * block, lane);
        return;
    case QUANTS_F16_MIN:
        *scale = half_of(p + 64 * block, lane);
        *minimum = half_of(p + 64 * block + 32, lane);
        return;
    case QUANTS_K4:
        for (int w = 0; w < 3; w++) memcpy(packed + 4 * w, p + 64 + 64 * w + 4 * lane, 4);
        quant_unpack_k4(packed, scales, minima);
        *scale = half_of(p, lane) * (float)scales[sub];
        *minimum = -(half_of(p + 32, lane) * (float)minima[sub]);
        return;
    case QUANTS_K6:
        *scale = half_of(p, lane) * (float)(int8_t)p[32 + 16 * sub + lane];
        return;
    case QUANTS_K2:
        *scale = half_of(p, lane) * (float)(p[64 + 16 * sub + lane] & 15);
        *minimum = -(half_of(p + 32, lane) * (float)(p[64 + 16 * sub + lane] >> 4));
        return;
    default:
        memcpy(scale, one + 4 * lane, 4);
        if (quants_affine(s->scale)) *zero = one[64 + lane];
    }
}

void quants_unpack_row(const quants_scheme *s, const tensor *t, const char *packed, int64_t row,
                       float *out) {
    int64_t k = t->dim[t->rank - 1];
    bool affine = quants_affine(s->scale);
    const uint8_t *head = (const uint8_t *)packed + row / QUANTS_LANES * quants_panel_bytes(s, k);
    const uint8_t *unit = head + quants_head_bytes(s->scale);
    int lane = (int)(row % QUANTS_LANES), zero;
    int64_t unit_k = s->blocks * QUANTS_BLOCK;
    for (int64_t i = 0; i < k; i += s->sub) {
        const uint8_t *u = unit + i / unit_k * quants_unit_bytes(s, affine);
        const uint8_t *block =
            u + quants_scale_bytes(s, affine) + i % unit_k / QUANTS_BLOCK * quants_block_bytes(s);
        float scale, minimum;
        scale_of(s, head, u, i % unit_k / s->sub, lane, &scale, &minimum, &zero);
        for (int64_t j = i; j < MIN_OF(i + s->sub, k); j++) {
            int code = get_code(s->bits, block, lane, (int)(j % QUANTS_BLOCK));
            float value = s->book == QUANTS_IQ4     ? (float)quant_iq4_values[code]
                          : s->book == QUANTS_MXFP4 ? (float)quant_mxfp4_values[code]
                          : s->book == QUANTS_NF4   ? quant_nf4_values[code]
                                                    : (float)(code - zero);
            out[j] = minimum == 0 ? scale * value : scale * value + minimum;
        }
    }
}
