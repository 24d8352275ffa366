/* The geometry of products with quantised weights and the walk over panels; plain C.
 *
 * A unit is CHUNK panels times a block of rows. Few rows: it is one panel, so that threads end close together, and
 * streams by once, unpacked in registers. Some: each strip of them unpacks two panels in registers, which the next
 * strip finds in a cache. Many: PART_BLOCKS of two panels at a time go to scratch, and strips of rows run against
 * them while the next two panels are fetched; sums wait in f32 meanwhile. */
#include "kern/kit/quants_kernel.h"
#include "kern/kit/matmul.h"
#include "num/kit/half.h"
#include <string.h>

enum {
    CHUNK = PANEL / QUANTS_LANES,
    PREPARE_ROWS = 8,
    ROWS_BYTES = 384 << 10,
    MOST_ROWS = 192,
    PART_BLOCKS = 64
};

bool quants_supports(const quants_kind *kind, const kernel_query *q, reason *why) {
    const bool bf16 = kind->bf16;
    const matmul_params *p = q->node->params;
    const type *a = q->in[MATMUL_A], *b = q->in[MATMUL_B];
    if (bf16 ? !matmul_is_plain(a->format) : strcmp(a->format->name, "int8_g32") != 0)
        return refuse(why, "a is %s, not %s", a->format->name, bf16 ? "f32 or bf16" : "int8_g32");
    if (!quants_find(kind->families, b->format)) return refuse(why, "b is %s", b->format->name);
    if (p->trans_a || !p->trans_b) return refuse(why, "scales must lie along K");
    if (b->rank != 2) return refuse(why, "b has a batch");
    return matmul_epilogue_supports(q, why);
}

bool quants_is_exact(const kernel_query *q, reason *why) {
    const num_format *a = q->in[MATMUL_A]->format, *b = q->in[MATMUL_B]->format;
    return (!strcmp(a->name, "bf16") && strcmp(b->name, "nf4") != 0) ||
           refuse(why, "%s x %s has to be rounded to bf16", a->name, b->name);
}

/* ---- b ---- */

/* Panels are the same for both kinds. */
static const quants_scheme *scheme_of(const tensor *t) {
    return &quants_find(quants_bf16, t->format)->scheme;
}
static int64_t panels_of(const tensor *t) {
    return div_up(t->dim[0], QUANTS_LANES);
}
static int64_t pack_bytes(const tensor *t) {
    return panels_of(t) * quants_panel_bytes(scheme_of(t), t->dim[1]);
}
static void pack_run(const tensor *t, void *packed, int64_t from, int64_t to) {
    const quants_scheme *s = scheme_of(t);
    for (int64_t p = from; p < to; p++)
        quants_pack_panel(s, t, p, (char *)packed + p * quants_panel_bytes(s, t->dim[1]));
}
static void pack_row(const tensor *t, const void *packed, int64_t row, float *out) {
    quants_unpack_row(scheme_of(t), t, packed, row, out);
}

const pack_def quants_pack = {.name = "panels16_quants",
                              .bytes = pack_bytes,
                              .units = panels_of,
                              .run = pack_run,
                              .row = pack_row};

const pack_def *quants_wants(const kernel_query *q, int32_t operand) {
    (void)q;
    return operand == MATMUL_B ? &quants_pack : NULL;
}

/* ---- geometry ---- */

typedef struct quants_plan {
    const quants_family *f;
    int64_t m, n, k, units; /* units: of K */
    int64_t panels, panel_bytes, b_bytes;
    int64_t info_bytes, a_stride;  /* of the rows as tiles read them */
    int64_t block, blocks, chunks; /* rows of a unit */
    int64_t part;                  /* units of K that are unpacked at once */
    quants_scheme ready;
    bool pack_b, bf16;
} quants_plan;

static quants_plan plan_of(const quants_kind *kind, const call *c) {
    const tensor *a = &c->in[MATMUL_A], *b = &c->in[MATMUL_B];
    quants_plan x = {.m = 1, .n = b->dim[0], .k = b->dim[1], .bf16 = kind->bf16};
    x.f = quants_find(kind->families, b->format);
    const quants_scheme *s = &x.f->scheme;
    for (int32_t d = 0; d < a->rank - 1; d++) x.m *= a->dim[d];
    x.units = div_up(x.k, s->blocks * QUANTS_BLOCK);
    x.panels = panels_of(b);
    x.panel_bytes = quants_panel_bytes(s, x.k);
    x.b_bytes = x.panels * x.panel_bytes;
    x.pack_b = !b->layout;
    x.info_bytes = x.units * s->blocks * QUANTS_BLOCK * (x.bf16 ? 2 : 1);
    /* An odd number of lines, so that rows do not fall on the same cache sets. */
    x.a_stride = x.info_bytes + x.units * s->blocks * (int64_t)sizeof(quants_info);
    x.a_stride = round_up(x.a_stride, CACHE_LINE);
    if (x.a_stride / CACHE_LINE % 2 == 0) x.a_stride += CACHE_LINE;
    int64_t most = MIN_OF(MOST_ROWS, MAX_OF(ROWS_BYTES / x.a_stride, 4 * QUANTS_STRIP));
    x.blocks = MAX_OF(1, div_up(x.m, most));
    x.block = round_up(div_up(x.m, x.blocks), x.blocks > 1 ? QUANTS_STRIP : 1);
    x.blocks = MAX_OF(1, div_up(x.m, MAX_OF(1, x.block)));
    x.chunks = div_up(x.panels, CHUNK);
    x.ready =
        (quants_scheme){.bits = x.bf16 ? 16 : 8, .blocks = 1, .sub = s->sub, .scale = QUANTS_READY};
    x.part = MAX_OF(1, PART_BLOCKS / s->blocks);
    return x;
}

/* Shared scratch: [rows of a][packed b]. */
int64_t quants_shared(const quants_kind *kind, const call *c) {
    quants_plan x = plan_of(kind, c);
    return x.m * x.a_stride + (x.pack_b ? x.b_bytes : 0);
}

/* Thread scratch: [sums of a unit][two panels]. */
static int64_t sums_bytes(void) {
    return MOST_ROWS * PANEL * (int64_t)sizeof(float);
}
int64_t quants_scratch(const quants_kind *kind, const call *c) {
    quants_plan x = plan_of(kind, c);
    return sums_bytes() + QUANTS_PAIR * x.part * x.f->scheme.blocks *
                              quants_unit_bytes(&x.ready, quants_affine(x.f->scheme.scale));
}

/* ---- a ---- */

static int64_t prepare_rows(const quants_plan *x) {
    return div_up(x->m, PREPARE_ROWS);
}
int64_t quants_prepare_units(const quants_kind *kind, const call *c) {
    quants_plan x = plan_of(kind, c);
    return prepare_rows(&x) + (x.pack_b ? x.panels : 0);
}

/* Sum of 16 codes, each stored with 128 added: bytes in lanes of 16 bits, whose sum a product leaves in the highest. */
static int32_t sum_of_16(const uint8_t *codes) {
    const uint64_t even = 0x00ff00ff00ff00ff, ones = 0x0001000100010001;
    uint64_t x[2];
    memcpy(x, codes, sizeof x);
    uint64_t lanes = (x[0] & even) + (x[0] >> 8 & even) + (x[1] & even) + (x[1] >> 8 & even);
    return (int32_t)(lanes * ones >> 48) - 16 * 128;
}

/* From [f32 scale][code + 128 ..] to codes and info. Codes behind K are 0 in the format. */
static void prepare_int8(const quants_family *f, const uint8_t *from, int8_t *codes,
                         quants_info *info) {
    const quants_scheme *s = &f->scheme;
    const int32_t sum[2] = {sum_of_16(from + 4), sum_of_16(from + 20)};
    memcpy(&info->scale, from, 4);
    for (int i = 0; i < QUANTS_BLOCK; i++) codes[i] = (int8_t)(from[4 + i] ^ 0x80);
    if (s->sub == QUANTS_BLOCK) {
        info->part[0].start = (f->less - s->zero) * (sum[0] + sum[1]);
        info->part[1].sum = info->scale * (float)(sum[0] + sum[1]);
    }
    for (int h = 0; h < 2 && s->sub < QUANTS_BLOCK; h++) {
        if (quants_affine(s->scale))
            info->part[h].sum = info->scale * (float)sum[h];
        else
            info->part[h].start = (f->less - s->zero) * sum[h];
    }
}

/* Rounded, k's of a group in the order 0 2 1 3, sums of what they were rounded to. */
static void prepare_bf16(const quants_scheme *s, const num_format *f, const char *row,
                         int64_t first, int64_t count, uint16_t *out, quants_info *info) {
    float x[QUANTS_BLOCK] = {0}, sum[2] = {0, 0};
    f->unpack(row, first, count, x);
    for (int i = 0; i < QUANTS_BLOCK; i++) {
        int k = i / 4 * 4 + (i % 4 == 1 ? 2 : i % 4 == 2 ? 1 : i % 4);
        out[i] = half_to_bf16(x[k]);
    }
    for (int i = 0; i < QUANTS_BLOCK; i++) sum[i / 16] += half_from_bf16(out[i]);
    bool whole = s->sub == QUANTS_BLOCK;
    info->part[0].sum = whole ? 0 : sum[0];
    info->part[1].sum = whole ? sum[0] + sum[1] : sum[1];
}

static void prepare_row(const quants_plan *x, const num_format *f, const char *row, char *out) {
    const quants_scheme *s = &x->f->scheme;
    quants_info *info = (quants_info *)(out + x->info_bytes);
    int64_t each = x->bf16 ? 2 * QUANTS_BLOCK : QUANTS_BLOCK;
    for (int64_t b = 0; b < x->info_bytes / each; b++, info++, out += each) {
        int64_t left = x->k - b * QUANTS_BLOCK;
        *info = (quants_info){0};
        if (left <= 0)
            memset(out, 0, (size_t)each);
        else if (x->bf16)
            prepare_bf16(s, f, row, b * QUANTS_BLOCK, MIN_OF(left, QUANTS_BLOCK), (uint16_t *)out,
                         info);
        else
            prepare_int8(x->f, (const uint8_t *)row + b * (4 + QUANTS_BLOCK), (int8_t *)out, info);
    }
}

void quants_prepare(const quants_kind *kind, const call *c, int64_t from, int64_t to) {
    quants_plan x = plan_of(kind, c);
    int64_t rows = prepare_rows(&x), row_bytes = num_row_bytes(c->in[MATMUL_A].format, x.k);
    char *shared = c->scratch, *packed = shared + x.m * x.a_stride;
    for (int64_t u = from; u < MIN_OF(to, rows); u++)
        for (int64_t r = u * PREPARE_ROWS; r < MIN_OF((u + 1) * PREPARE_ROWS, x.m); r++)
            prepare_row(&x, c->in[MATMUL_A].format,
                        (const char *)c->in[MATMUL_A].data + r * row_bytes,
                        shared + r * x.a_stride);
    if (to > rows) pack_run(&c->in[MATMUL_B], packed, MAX_OF(from, rows) - rows, to - rows);
}

/* ---- the walk ---- */

/* Few rows read the weights once. */
static bool is_few(const quants_plan *x) {
    return x->m <= (x->bf16 ? QUANTS_FEW_BF16 : QUANTS_FEW) && x->f->few[x->m - 1];
}
int64_t quants_units(const quants_kind *kind, const call *c) {
    quants_plan x = plan_of(kind, c);
    return is_few(&x) ? x.panels : x.chunks * x.blocks;
}
bool quants_streams(const quants_kind *kind, const call *c) {
    quants_plan x = plan_of(kind, c);
    return is_few(&x);
}

typedef struct walk {
    const quants_plan *x;
    const char *a, *b, *end; /* the unit's first row, first panel; behind all panels */
    float *sums;
    char *ready;
    int64_t rows, panels;
} walk;

static void run_few(const walk *w) {
    const quants_plan *x = w->x;
    quants_tile t = {.a = w->a,
                     .a_stride = x->a_stride,
                     .info_bytes = x->info_bytes,
                     .panel_bytes = x->panel_bytes,
                     .units = x->units,
                     .first = true};
    for (int64_t p = 0; p < w->panels; p++) {
        t.panel = w->b + p * x->panel_bytes;
        t.c = w->sums + p * QUANTS_LANES;
        x->f->few[w->rows - 1](&t);
    }
}

/* Rows of strip k of all `strips` that begins at `row`: full ones but for the rest, shared evenly. */
static int64_t strip_rows(const walk *w, int64_t row, int64_t strips, int64_t k) {
    return (w->rows - row + strips - k - 1) / (strips - k);
}

/* Strips of all rows against the panels as they are, two at a time; what comes next is brought nearer by the first. */
static void run_some(const walk *w) {
    const quants_plan *x = w->x;
    int64_t strips = div_up(w->rows, QUANTS_STRIP), bytes = QUANTS_PAIR * x->panel_bytes;
    for (int64_t p = 0; p < w->panels; p += QUANTS_PAIR) {
        const char *at = w->b + p * x->panel_bytes;
        quants_tile t = {.a_stride = x->a_stride,
                         .info_bytes = x->info_bytes,
                         .panel_bytes = x->panel_bytes,
                         .units = x->units,
                         .first = true};
        if (at + 2 * bytes <= w->end) {
            t.fetch = at + bytes;
            t.fetch_lines = div_up(bytes, x->units * x->f->scheme.blocks * CACHE_LINE);
        }
        for (int64_t k = 0, row = 0, rows; k < strips; k++, row += rows) {
            rows = strip_rows(w, row, strips, k);
            bool both = rows >= QUANTS_PAIR_LEAST && p + 1 < w->panels;
            t.a = w->a + row * x->a_stride;
            for (int64_t q = p; q < MIN_OF(p + QUANTS_PAIR, w->panels);
                 q += both ? QUANTS_PAIR : 1) {
                t.panel = w->b + q * x->panel_bytes;
                t.c = w->sums + row * PANEL + q * QUANTS_LANES;
                (both ? x->f->pair[rows - QUANTS_PAIR_LEAST] : x->f->few[rows - 1])(&t);
                t.fetch = NULL;
            }
        }
    }
}

/* Strips of all rows against two panels' units [from, to), which are unpacked first. */
static void run_part(const walk *w, int64_t panel, int64_t from, int64_t to) {
    const quants_plan *x = w->x;
    const quants_scheme *s = &x->f->scheme;
    int64_t panels = MIN_OF(QUANTS_PAIR, w->panels - panel), blocks = (to - from) * s->blocks;
    int64_t ready_bytes = blocks * quants_unit_bytes(&x->ready, quants_affine(s->scale));
    int64_t strips = div_up(w->rows, QUANTS_STRIP), row = 0;
    const char *at = w->b + panel * x->panel_bytes;
    for (int64_t i = 0; i < panels; i++)
        x->f->unpack(at + i * x->panel_bytes, from, to - from, w->ready + i * ready_bytes);
    quants_tile t = {.a_stride = x->a_stride,
                     .panel = w->ready,
                     .panel_bytes = ready_bytes,
                     .units = blocks,
                     .first = from == 0};
    /* What comes after next, brought nearer while the first strip runs. */
    int64_t behind = x->panel_bytes * from / x->units,
            bytes = x->panel_bytes * (to - from) / x->units;
    const char *next = at + panels * x->panel_bytes + 2 * behind;
    if (next + 2 * bytes <= w->end) {
        t.fetch = next;
        t.fetch_lines = div_up(2 * bytes, blocks * CACHE_LINE);
    }
    for (int64_t k = 0; k < strips; k++) {
        int64_t rows = strip_rows(w, row, strips, k);
        int64_t first = from * s->blocks * QUANTS_BLOCK;
        int64_t a_bytes = first * (x->bf16 ? 2 : 1);
        t.a = w->a + row * x->a_stride + a_bytes;
        t.info_bytes =
            x->info_bytes - a_bytes + first / QUANTS_BLOCK * (int64_t)sizeof(quants_info);
        t.c = w->sums + row * PANEL + panel * QUANTS_LANES;
        (*x->f->many)[rows - 1][panels - 1](&t);
        t.fetch = NULL;
        row += rows;
    }
}

static void run_many(const walk *w) {
    const quants_plan *x = w->x;
    for (int64_t p = 0; p < w->panels; p += QUANTS_PAIR)
        for (int64_t u = 0; u < x->units; u += x->part)
            run_part(w, p, u, MIN_OF(u + x->part, x->units));
}

void quants_run_units(const quants_kind *kind, const call *c, int64_t from, int64_t to,
                      void *scratch) {
    quants_plan x = plan_of(kind, c);
    const char *a = c->scratch;
    const char *b = x.pack_b ? a + x.m * x.a_stride : c->in[MATMUL_B].data;
    bool few = is_few(&x);
    for (int64_t u = from; u < to; u += few ? CHUNK : 1) {
        int64_t row = u % x.blocks * x.block, panel = u / x.blocks * (few ? 1 : CHUNK);
        walk w = {.x = &x,
                  .a = a + row * x.a_stride,
                  .b = b + panel * x.panel_bytes,
                  .end = b + x.b_bytes,
                  .sums = scratch,
                  .ready = (char *)scratch + sums_bytes(),
                  .rows = MIN_OF(x.block, x.m - row),
                  .panels = MIN_OF(CHUNK, (few ? to : x.panels) - panel)};
        if (few)
            run_few(&w);
        else if (x.m <= QUANTS_SOME && x.f->pair[0])
            run_some(&w);
        else
            run_many(&w);
        matmul_epilogue e = matmul_epilogue_at(c, x.n, row, panel * QUANTS_LANES);
        matmul_finish(&e, w.sums, w.rows,
                      MIN_OF(x.n - panel * QUANTS_LANES, w.panels * QUANTS_LANES));
    }
}
