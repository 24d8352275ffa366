/* The geometry of a matrix product and the walk over its blocks; plain C, for every family. */
#include "kern/kit/matmul.h"
#include "base/cpu.h"
#include <string.h>

/* FETCH_BYTES: how far ahead a lone strip, which runs at the memory's speed, asks for b. NEAR_BYTES: of a that a core
 * keeps near. A tall a has TALL_BLOCKS at least, and b TALL_PANELS at most. STREAM_BYTES: of a layout that is not read
 * again before much else is. */
enum { PREPARE_ROWS = 64, STATE_BYTES = 64, MAX_INT8_K = 65536, FETCH_BYTES = 16384 };
enum { NEAR_BYTES = 512 << 10, TALL_BLOCKS = 16, TALL_PANELS = 16, STREAM_BYTES = 1 << 20 };

static bool is(const num_format *f, const char *name) {
    return !strcmp(f->name, name);
}

bool matmul_is_plain(const num_format *f) {
    return is(f, "f32") || is(f, "bf16");
}

bool matmul_epilogue_supports(const kernel_query *q, reason *why) {
    static const char *const name[] = {[MATMUL_BIAS] = "bias", [MATMUL_RESIDUAL] = "residual"};
    if (!matmul_is_plain(q->out[0]->format))
        return refuse(why, "output is %s, not f32 or bf16", q->out[0]->format->name);
    for (int32_t i = MATMUL_BIAS; i <= MATMUL_RESIDUAL && i < q->node->n_in; i++)
        if (q->in[i] && !matmul_is_plain(q->in[i]->format))
            return refuse(why, "%s is %s, not f32 or bf16", name[i], q->in[i]->format->name);
    return true;
}

static bool is_int8(const num_format *f) {
    return is(f, "int8_row") || is(f, "int8_tensor");
}

bool matmul_supports(const matmul_family *f, const kernel_query *q, reason *why) {
    const matmul_params *p = q->node->params;
    const type *a = q->in[MATMUL_A], *b = q->in[MATMUL_B];
    if (f->kind == MATMUL_INT8) {
        if (!is_int8(a->format) || !is_int8(b->format))
            return refuse(why, "operands are %s and %s, not int8_row or int8_tensor",
                          a->format->name, b->format->name);
        if ((p->trans_a && is(a->format, "int8_row")) || (!p->trans_b && is(b->format, "int8_row")))
            return refuse(why, "int8_row scales must not lie along K");
        if (extent_bound(q->g, a->dim[a->rank - 1 - p->trans_a]) > MAX_INT8_K)
            return refuse(why, "K above %d overflows int32", MAX_INT8_K);
    } else {
        const char *want = f->kind == MATMUL_F32 ? "f32" : "bf16";
        if (!is(b->format, want)) return refuse(why, "b is %s, not %s", b->format->name, want);
        if (!matmul_is_plain(a->format))
            return refuse(why, "a is %s, not f32 or bf16", a->format->name);
    }
    return matmul_epilogue_supports(q, why);
}

static bool wide(void) {
    return cpu_isa_best() >= ISA_AVX512;
}
void matmul_pack_groups(matmul_kind kind, const matmul_view *v, int64_t panel, int64_t from,
                        int64_t to, char *out) {
    (wide() ? matmul_pack_groups_avx512 : matmul_pack_groups_avx2)(kind, v, panel, from, to, out);
}
void matmul_pack_rows(matmul_kind kind, const matmul_view *v, int64_t from, int64_t to,
                      int64_t stride, char *out, matmul_row *row) {
    (wide() ? matmul_pack_rows_avx512 : matmul_pack_rows_avx2)(kind, v, from, to, stride, out, row);
}
void matmul_finish(const matmul_epilogue *e, const float *acc, int64_t rows, int64_t columns) {
    (wide() ? matmul_finish_avx512 : matmul_finish_avx2)(e, acc, rows, columns);
}

/* ---- packed b ---- */

static int64_t per_group(matmul_kind kind) {
    return kind == MATMUL_F32 ? 1 : kind == MATMUL_BF16 ? 2 : 4;
}

static int64_t head_bytes(matmul_kind kind) {
    return kind == MATMUL_INT8 ? INT8_HEAD : 0;
}

static int64_t filled_groups(matmul_kind kind, int64_t k) {
    return round_up(div_up(k, per_group(kind)), GROUP_FILL);
}

static int64_t panel_bytes(matmul_kind kind, int64_t k) {
    return head_bytes(kind) + filled_groups(kind, k) * GROUP_BYTES;
}

typedef struct matrix {
    int64_t batch, rows, cols, stride;
} matrix;

static matrix matrix_of(const tensor *t) {
    matrix x = {.batch = 1, .rows = t->dim[t->rank - 2], .cols = t->dim[t->rank - 1]};
    for (int32_t i = 0; i < t->rank - 2; i++) x.batch *= t->dim[i];
    x.stride = num_row_bytes(t->format, x.cols);
    return x;
}

/* Matrix `at` of a tensor; `across` where the last axis is not K. */
static matmul_view view_of(const tensor *t, bool across, int64_t at) {
    matrix x = matrix_of(t);
    return (matmul_view){.data = (const char *)t->data + at * x.rows * x.stride,
                         .outer = across ? x.cols : x.rows,
                         .k = across ? x.rows : x.cols,
                         .stride = x.stride,
                         .across = across,
                         .f32 = is(t->format, "f32")};
}

static int64_t pack_units(const tensor *t, bool across) {
    matrix x = matrix_of(t);
    return x.batch * div_up(across ? x.cols : x.rows, PANEL);
}

static int64_t pack_bytes(const tensor *t, matmul_kind kind, bool across) {
    matrix x = matrix_of(t);
    return pack_units(t, across) * panel_bytes(kind, across ? x.rows : x.cols);
}

static void pack_run(const tensor *t, matmul_kind kind, bool across, bool streams, char *out,
                     int64_t from, int64_t to) {
    for (int64_t u = from; u < to; u++) {
        matmul_view v = view_of(t, across, 0);
        int64_t panels = div_up(v.outer, PANEL);
        char *panel = out + u * panel_bytes(kind, v.k);
        v = view_of(t, across, u / panels);
        v.streams = streams;
        if (kind == MATMUL_INT8) matmul_pack_head(&v, u % panels, panel);
        matmul_pack_groups(kind, &v, u % panels, 0, filled_groups(kind, v.k),
                           panel + head_bytes(kind));
    }
}

static float bf16_value(const char *at) {
    uint16_t h;
    memcpy(&h, at, sizeof h);
    uint32_t w = (uint32_t)h << 16;
    float x;
    memcpy(&x, &w, sizeof x);
    return x;
}

/* Row `row` of [.., N, K] back from the panels. */
static void unpack_row(const tensor *t, matmul_kind kind, const char *packed, int64_t row,
                       float *out) {
    matrix x = matrix_of(t);
    int64_t panels = div_up(x.rows, PANEL), n = row % x.rows;
    const char *panel = packed + (row / x.rows * panels + n / PANEL) * panel_bytes(kind, x.cols);
    int64_t column = n % PANEL;
    float scale = 1;
    if (kind == MATMUL_INT8) {
        memcpy(&scale, panel + 4 * column, sizeof scale);
        panel += INT8_HEAD;
    }
    for (int64_t k = 0; k < x.cols; k++) {
        int64_t each = per_group(kind);
        const char *at = panel + k / each * GROUP_BYTES + 4 * column + k % each * (4 / each);
        if (kind == MATMUL_F32)
            memcpy(&out[k], at, sizeof *out);
        else if (kind == MATMUL_BF16)
            out[k] = bf16_value(at);
        else
            out[k] = scale * (float)((int32_t) * (const uint8_t *)at - 128);
    }
}

#define MATMUL_F32_READS matmul_is_plain
#define MATMUL_BF16_READS matmul_is_plain
#define MATMUL_INT8_READS NULL
#define PACK_BYTES_UNITS_RUN(name, kind, across)                                                   \
    static int64_t name##_bytes(const tensor *t) {                                                 \
        return pack_bytes(t, kind, across);                                                        \
    }                                                                                              \
    static int64_t name##_units(const tensor *t) {                                                 \
        return pack_units(t, across);                                                              \
    }                                                                                              \
    static void name##_run(const tensor *t, void *packed, int64_t from, int64_t to) {              \
        bool streams = pack_bytes(t, kind, across) >= STREAM_BYTES;                                \
        pack_run(t, kind, across, streams, packed, from, to);                                      \
    }
#define PACK_ALONG(type, kind)                                                                     \
    PACK_BYTES_UNITS_RUN(type##_nk, kind, false)                                                   \
    static void type##_nk_row(const tensor *t, const void *packed, int64_t row, float *out) {      \
        unpack_row(t, kind, packed, row, out);                                                     \
    }                                                                                              \
    static const pack_def pack_##type##_nk = {.name = "panels64_" #type "_nk",                     \
                                              .bytes = type##_nk_bytes,                            \
                                              .units = type##_nk_units,                            \
                                              .run = type##_nk_run,                                \
                                              .reads = kind##_READS,                               \
                                              .row = type##_nk_row};
#define PACK_ACROSS(type, kind)                                                                    \
    PACK_BYTES_UNITS_RUN(type##_kn, kind, true)                                                    \
    static const pack_def pack_##type##_kn = {.name = "panels64_" #type "_kn",                     \
                                              .bytes = type##_kn_bytes,                            \
                                              .units = type##_kn_units,                            \
                                              .run = type##_kn_run,                                \
                                              .reads = kind##_READS};
PACK_ALONG(f32, MATMUL_F32)
PACK_ALONG(bf16, MATMUL_BF16)
PACK_ALONG(int8, MATMUL_INT8)
PACK_ACROSS(f32, MATMUL_F32)
PACK_ACROSS(bf16, MATMUL_BF16)
PACK_ACROSS(int8, MATMUL_INT8)

const pack_def *matmul_wants(const matmul_family *f, const kernel_query *q, int32_t operand) {
    static const pack_def *const along[] = {&pack_f32_nk, &pack_bf16_nk, &pack_int8_nk};
    static const pack_def *const across[] = {&pack_f32_kn, &pack_bf16_kn, &pack_int8_kn};
    const matmul_params *p = q->node->params;
    if (operand != MATMUL_B) return NULL;
    return p->trans_b ? along[f->kind] : across[f->kind];
}

/* ---- geometry ---- */

/* Blocks of about equal height, whole strips but for the last. */
static void plan_blocks(matmul_plan *x, int64_t rows) {
    x->blocks = MAX_OF(1, div_up(x->m, rows));
    x->block = MAX_OF(1, round_up(div_up(x->m, x->blocks), x->f->strip));
    x->blocks = div_up(x->m, x->block);
}

static int64_t tall_rows(const matmul_family *f) {
    return TALL_BLOCKS * (int64_t)f->block_rows;
}

/* A tall a that is packed on the call: each block of its rows is packed by the unit that then takes it through all of
 * b, so that a passes through memory once. */
static void plan_tall(matmul_plan *x) {
    x->tall = x->p->trans_a && x->f->kind != MATMUL_INT8 && x->m >= tall_rows(x->f) &&
              x->panels <= TALL_PANELS && x->groups <= x->f->block_groups;
    int64_t strips = MIN_OF(x->f->block_rows, NEAR_BYTES / x->a_stride) / x->f->strip;
    if (x->tall) plan_blocks(x, strips * x->f->strip);
}

static void plan_units(matmul_plan *x) {
    const matmul_family *f = x->f;
    plan_blocks(x, f->block_rows);
    plan_tall(x);
    int64_t chunk = x->m <= 2 * f->strip ? 1 : MAX_OF(1, MIN_OF(f->max_chunk, x->panels / 8));
    x->chunk = x->tall ? x->panels : chunk;
    x->chunks = div_up(x->panels, x->chunk);
    x->pack_first = x->pack_b && (x->blocks > 1 || (x->shared_b && x->batch > 1));
    /* What only one strip uses need not stay near; two run at the memory's speed if it stays as near as can be. */
    bool packed = !x->pack_b || x->pack_first;
    bool once = packed && x->m <= f->strip, twice = packed && !once && x->m <= 2 * f->strip;
    int64_t parts = once ? 1 : div_up(x->groups, twice ? f->near_groups : f->block_groups);
    parts = MAX_OF(1, parts);
    x->part = MAX_OF(GROUP_FILL, round_up(div_up(x->groups, parts), GROUP_FILL));
}

static matmul_plan plan_of(const matmul_family *f, const call *c) {
    matmul_plan x = {.f = f, .p = c->params};
    const tensor *ta = &c->in[MATMUL_A], *tb = &c->in[MATMUL_B];
    matrix a = matrix_of(ta), b = matrix_of(tb);
    x.batch = a.batch;
    x.m = x.p->trans_a ? a.cols : a.rows;
    x.k = x.p->trans_a ? a.rows : a.cols;
    x.n = x.p->trans_b ? b.rows : b.cols;
    x.shared_b = tb->rank == 2;
    if (x.shared_b && !x.p->trans_a) {
        x.m *= x.batch;
        x.batch = 1;
    }
    x.per_group = per_group(f->kind);
    x.groups = div_up(x.k, x.per_group);
    x.panels = div_up(x.n, PANEL);
    x.panel_bytes = panel_bytes(f->kind, x.k);
    x.b_bytes = x.panels * x.panel_bytes;
    x.pack_b = !tb->layout;
    /* Rows of codes do not begin at a cache line, which broadcasts do not mind, but tiles do. */
    bool same =
        f->kind == MATMUL_INT8 ? f->even : is(ta->format, f->kind == MATMUL_F32 ? "f32" : "bf16");
    x.pack_a = x.p->trans_a || !same || x.k % (x.per_group * f->unit_groups);
    x.a_stride = a.stride;
    if (x.pack_a) {
        /* An odd number of lines, so that rows do not fall on the same cache sets. */
        x.a_stride = round_up(x.groups, GROUP_FILL) * 4;
        if (x.a_stride / CACHE_LINE % 2 == 0) x.a_stride += CACHE_LINE;
    }
    x.a_bytes = x.m * x.a_stride;
    plan_units(&x);
    return x;
}

/* ---- shared scratch: [packed a][rows of int8][packed b] ---- */

static int64_t rows_at(const matmul_plan *x) {
    return x->pack_a && !x->tall ? round_up(x->batch * x->a_bytes, CACHE_LINE) : 0;
}

static int64_t b_at(const matmul_plan *x) {
    int64_t rows = x->f->kind == MATMUL_INT8 ? x->batch * x->m * (int64_t)sizeof(matmul_row) : 0;
    return rows_at(x) + round_up(rows, CACHE_LINE);
}

int64_t matmul_shared(const matmul_family *f, const call *c) {
    matmul_plan x = plan_of(f, c);
    /* A K that varies may at its bound be whole groups, unlike below; with b packed it is fixed. */
    x.pack_a |= x.pack_b;
    x.a_bytes = x.m * MAX_OF(x.a_stride, round_up(x.groups, GROUP_FILL) * 4 + CACHE_LINE);
    if (x.tall) { /* with fewer rows it is not */
        x.a_bytes = x.a_bytes / x.m * tall_rows(f);
        x.tall = false;
    }
    return b_at(&x) + (x.pack_first ? (x.shared_b ? 1 : x.batch) * x.b_bytes : 0);
}

/* ---- a thread's scratch: [state][head and block of b][block of a tall a][accumulators] ---- */

static int64_t block_bytes(const matmul_family *f, bool pack_b) {
    return pack_b ? head_bytes(f->kind) + round_up(f->block_groups, GROUP_FILL) * GROUP_BYTES : 0;
}

/* A K below its bound may make it tall. */
static int64_t tall_bytes(const matmul_plan *x) {
    return x->p->trans_a && x->f->kind != MATMUL_INT8 && x->m >= tall_rows(x->f) ? NEAR_BYTES : 0;
}

int64_t matmul_scratch(const matmul_family *f, const call *c) {
    matmul_plan x = plan_of(f, c);
    int64_t rows = x.groups <= f->near_groups    ? f->strip
                   : x.groups <= f->block_groups ? 2 * f->strip
                                                 : MIN_OF(f->block_rows, round_up(x.m, f->strip));
    int64_t chunk = MAX_OF(1, MIN_OF(f->max_chunk, x.panels / 8));
    return STATE_BYTES + block_bytes(f, x.pack_b) + tall_bytes(&x) + rows * chunk * GROUP_BYTES;
}

static int64_t prepare_b_units(const matmul_plan *x) {
    return x->pack_first ? (x->shared_b ? 1 : x->batch) * x->panels : 0;
}

static int64_t prepare_a_units(const matmul_plan *x) {
    bool needed = (x->pack_a && !x->tall) || x->f->kind == MATMUL_INT8;
    return needed ? x->batch * div_up(x->m, PREPARE_ROWS) : 0;
}

int64_t matmul_prepare_units(const matmul_family *f, const call *c) {
    matmul_plan x = plan_of(f, c);
    return prepare_b_units(&x) + prepare_a_units(&x);
}

static void prepare_rows(const matmul_plan *x, const call *c, int64_t unit) {
    int64_t per = div_up(x->m, PREPARE_ROWS), at = unit / per;
    int64_t from = unit % per * PREPARE_ROWS, to = MIN_OF(from + PREPARE_ROWS, x->m);
    matmul_view v = view_of(&c->in[MATMUL_A], x->p->trans_a, at);
    v.outer = x->m;
    matmul_row *row = NULL;
    if (x->f->kind == MATMUL_INT8)
        row = (matmul_row *)((char *)c->scratch + rows_at(x)) + at * x->m;
    char *out = x->pack_a ? (char *)c->scratch + at * x->a_bytes : NULL;
    matmul_pack_rows(x->f->kind, &v, from, to, x->a_stride, out, row);
}

void matmul_prepare(const matmul_family *f, const call *c, int64_t from, int64_t to) {
    matmul_plan x = plan_of(f, c);
    int64_t b_units = prepare_b_units(&x);
    int64_t b_to = MIN_OF(to, b_units);
    if (from < b_to)
        pack_run(&c->in[MATMUL_B], f->kind, !x.p->trans_b, false, (char *)c->scratch + b_at(&x),
                 from, b_to);
    for (int64_t u = MAX_OF(from, b_units); u < to; u++) prepare_rows(&x, c, u - b_units);
}

/* ---- the walk ---- */

int64_t matmul_units(const matmul_family *f, const call *c) {
    matmul_plan x = plan_of(f, c);
    return x.batch * x.chunks * x.blocks;
}

typedef struct walk {
    const matmul_plan *x;
    const call *c;
    const char *a; /* of the block's first row */
    const char
        *b; /* of the chunk's first panel, behind the head; NULL: packed here, from `plain` */
    matmul_view plain;
    char *room; /* head and block of b */
    float *acc; /* [panel][block rows][64]; one strip's if K is one part */
    int64_t acc_panel, acc_row;
    void *state;
    int64_t rows, panels;
    int64_t row, panel, column; /* the first: row counted through the batch; panel, its column */
} walk;

/* Groups g.. of a panel, packed. */
static const char *block_of_b(const walk *w, int64_t panel, int64_t g, int64_t groups) {
    matmul_kind kind = w->x->f->kind;
    if (w->b) return w->b + panel * w->x->panel_bytes + g * GROUP_BYTES;
    char *out = w->room + head_bytes(kind);
    if (kind == MATMUL_INT8) matmul_pack_head(&w->plain, w->panel + panel, w->room);
    matmul_pack_groups(kind, &w->plain, w->panel + panel, g, g + round_up(groups, GROUP_FILL), out);
    return out;
}

matmul_epilogue matmul_epilogue_at(const call *c, int64_t n, int64_t row, int64_t column) {
    const tensor *bias = c->n_in > MATMUL_BIAS ? &c->in[MATMUL_BIAS] : NULL;
    const tensor *rest = c->n_in > MATMUL_RESIDUAL ? &c->in[MATMUL_RESIDUAL] : NULL;
    matmul_epilogue e = {.out_bf16 = c->out[0].format->block_bytes == 2,
                         .act = ((const matmul_params *)c->params)->act,
                         .stride = n};
    int64_t at = row * n + column;
    e.out = (char *)c->out[0].data + at * (e.out_bf16 ? 2 : 4);
    if (bias && bias->data) {
        e.bias_bf16 = bias->format->block_bytes == 2;
        e.bias = (const char *)bias->data + column * (e.bias_bf16 ? 2 : 4);
    }
    if (rest && rest->data) {
        e.rest_bf16 = rest->format->block_bytes == 2;
        e.rest = (const char *)rest->data + at * (e.rest_bf16 ? 2 : 4);
    }
    return e;
}

/* Rows from `row` of the block, in one panel. */
static void finish_strip(const walk *w, matmul_epilogue e, int64_t panel, int64_t row, int64_t rows,
                         const float *acc) {
    int64_t n = w->column + panel * PANEL, at = (w->row + row) * w->x->n + n;
    e.out += at * (e.out_bf16 ? 2 : 4);
    if (e.rest) e.rest += at * (e.rest_bf16 ? 2 : 4);
    if (e.bias) e.bias += n * (e.bias_bf16 ? 2 : 4);
    if (e.row) {
        e.row += w->row + row;
        e.scale = (const float *)(w->b ? w->b + panel * w->x->panel_bytes - INT8_HEAD : w->room);
    }
    matmul_finish(&e, acc, rows, MIN_OF(w->x->n - n, PANEL));
}

/* What the block after this one is packed from: the same panel's further groups, or the next panel's first. Shared
 * out over the strips by lines, row after row. */
typedef struct plain_next {
    const char *at;
    int64_t stride, lines, rows;
} plain_next;

static plain_next next_of_plain(const walk *w, int64_t panel, int64_t g, int64_t groups) {
    const matmul_view *v = &w->plain;
    int64_t each = per_group(w->x->f->kind), elem = v->f32 ? 4 : each == 4 ? 1 : 2;
    int64_t column = (w->panel + panel) * PANEL, k = g * each, ks = groups * each;
    if (g >= w->x->groups) column += PANEL, k = 0;
    ks = MIN_OF(ks, v->k - k);
    bool across = v->across, straddles = across && v->stride % CACHE_LINE;
    return (plain_next){.at = v->data + (across ? k : column) * v->stride +
                              (across ? column : k) * elem + (each == 4 ? INT8_ROW_HEAD : 0),
                        .stride = v->stride,
                        .lines = div_up((across ? PANEL : ks) * elem, CACHE_LINE) + straddles,
                        .rows = across ? ks : PANEL};
}

static void walk_block(const walk *w, const matmul_epilogue *e, int64_t panel, int64_t g0,
                       int64_t groups) {
    const matmul_plan *x = w->x;
    int64_t columns = MIN_OF(x->n - w->column - panel * PANEL, PANEL);
    int64_t strips = div_up(w->rows, x->f->strip);
    int64_t low = x->f->even ? w->rows / strips : x->f->strip;
    int64_t high = x->f->even ? w->rows % strips : 0;
    bool last = g0 + groups >= x->groups;
    matmul_tile t = {.b = block_of_b(w, panel, g0, groups),
                     .a_stride = x->a_stride,
                     .groups = round_up(groups, x->f->unit_groups),
                     .vectors = (int32_t)div_up(columns, 16),
                     .first = g0 == 0};
    const char *next = t.b;
    if (w->b) {
        /* Behind a lone panel's block comes its next block, or the next panel. */
        next = strips == 1                               ? t.b + FETCH_BYTES
               : x->chunk == 1 || panel + 1 == w->panels ? t.b + groups * GROUP_BYTES
                                                         : t.b + x->panel_bytes;
        t.next_bytes = groups * GROUP_BYTES / strips;
    }
    plain_next plain = w->b ? (plain_next){0} : next_of_plain(w, panel, g0 + groups, groups);
    t.lines = plain.lines;
    t.jump = plain.stride - plain.lines * CACHE_LINE;
    for (int64_t s = 0, row = 0; s < strips; s++) {
        t.rows = (int32_t)MIN_OF(low + (s < high), w->rows - row);
        t.a = w->a + row * x->a_stride + g0 * 4;
        t.next_a = s + 1 < strips ? t.a + t.rows * x->a_stride
                   : last         ? t.a
                                  : w->a + (g0 + groups) * 4;
        t.c = w->acc + panel * w->acc_panel + row * w->acc_row;
        t.next = next + s * t.next_bytes;
        if (!w->b) {
            int64_t share = s * plain.rows * plain.lines / strips;
            t.line = share % plain.lines;
            t.next = plain.at + share / plain.lines * plain.stride + t.line * CACHE_LINE;
        }
        x->f->tile(&t, w->state);
        if (last) finish_strip(w, *e, panel, row, t.rows, t.c);
        row += t.rows;
    }
}

/* Packs rows `from`.. of matrix `at` into a thread's room for them. */
static void pack_tall(const matmul_plan *x, const call *c, int64_t at, int64_t from, int64_t rows,
                      char *out) {
    matmul_view v = view_of(&c->in[MATMUL_A], true, at);
    v.data += from * (v.f32 ? 4 : 2);
    v.outer -= from;
    matmul_pack_rows(x->f->kind, &v, 0, rows, x->a_stride, out, NULL);
}

static void run_unit(const matmul_plan *x, const call *c, int64_t unit, void *scratch) {
    int64_t block = unit % x->blocks, chunk = unit / x->blocks % x->chunks;
    int64_t at = unit / x->blocks / x->chunks, row = block * x->block;
    int64_t at_b = x->shared_b ? 0 : at;
    const char *a = x->pack_a ? c->scratch : c->in[MATMUL_A].data;
    if (!x->pack_a && x->f->kind == MATMUL_INT8) a += INT8_ROW_HEAD;
    const char *b = x->pack_b ? (const char *)c->scratch + b_at(x) : c->in[MATMUL_B].data;
    walk w = {.x = x,
              .c = c,
              .a = a + at * x->a_bytes + row * x->a_stride,
              .room = (char *)scratch + STATE_BYTES,
              .state = scratch,
              .rows = MIN_OF(x->block, x->m - row),
              .panels = MIN_OF(x->chunk, x->panels - chunk * x->chunk),
              .row = at * x->m + row,
              .panel = chunk * x->chunk,
              .column = chunk * x->chunk * PANEL};
    if (x->pack_b && !x->pack_first)
        w.plain = view_of(&c->in[MATMUL_B], !x->p->trans_b, at_b);
    else
        w.b = b + at_b * x->b_bytes + w.panel * x->panel_bytes + head_bytes(x->f->kind);
    char *rest = w.room + block_bytes(x->f, x->pack_b);
    if (x->tall) {
        pack_tall(x, c, at, row, w.rows, rest);
        w.a = rest;
    }
    w.acc = (float *)(rest + tall_bytes(x));
    if (x->part < x->groups) {
        w.acc_row = PANEL;
        w.acc_panel = w.rows * PANEL;
    }
    /* What is the same for all panels of a unit. */
    matmul_epilogue e = matmul_epilogue_at(c, x->n, 0, 0);
    if (x->f->kind == MATMUL_INT8)
        e.row = (const matmul_row *)((const char *)c->scratch + rows_at(x));
    for (int64_t g = 0; g < x->groups; g += x->part)
        for (int64_t p = 0; p < w.panels; p++)
            walk_block(&w, &e, p, g, MIN_OF(x->part, x->groups - g));
}

void matmul_run(const matmul_family *f, const call *c, int64_t from, int64_t to, void *scratch) {
    matmul_plan x = plan_of(f, c);
    if (f->begin) f->begin(scratch);
    for (int64_t u = from; u < to; u++) run_unit(&x, c, u, scratch);
    if (f->end) f->end();
}
