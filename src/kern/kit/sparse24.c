/* Panels of 2:4 weights and the walk over them; plain C (kern/kit/sparse24.h). */
#include "kern/kit/sparse24.h"
#include "kern/kit/matmul.h"
#include "num/kit/half.h"
#include <string.h>

enum { PREPARE_ROWS = 8, BLOCK_ROWS = 192, FORMAT_BYTES = 36 };

static bool is(const num_format *f, const char *name) {
    return !strcmp(f->name, name);
}

bool sparse24_supports(const kernel_query *q, bool rounds, reason *why) {
    const matmul_params *p = q->node->params;
    const type *a = q->in[MATMUL_A], *b = q->in[MATMUL_B];
    if (!is(b->format, "bf16_2of4")) return refuse(why, "b is %s, not bf16_2of4", b->format->name);
    if (!is(a->format, "bf16") && !(rounds && is(a->format, "f32")))
        return refuse(why, "a is %s, not bf16", a->format->name);
    if (p->trans_a || !p->trans_b) return refuse(why, "kept values must lie along K");
    if (b->rank != 2) return refuse(why, "b has a batch");
    return matmul_epilogue_supports(q, why);
}

/* ---- b ---- */

static int64_t panels_of(const tensor *t) {
    return div_up(t->dim[0], SPARSE24_COLUMNS);
}
static int64_t panel_bytes(int64_t k) {
    return div_up(k, SPARSE24_K) * SPARSE24_BLOCK_BYTES;
}
static int64_t pack_bytes(const tensor *t) {
    return panels_of(t) * panel_bytes(t->dim[1]);
}

/* Lanes without an output get a mask that is valid, and zeros. */
static void pack_run(const tensor *t, void *packed, int64_t from, int64_t to) {
    int64_t blocks = div_up(t->dim[1], SPARSE24_K), row_bytes = num_row_bytes(t->format, t->dim[1]);
    for (int64_t p = from; p < to; p++)
        for (int64_t lane = 0; lane < SPARSE24_COLUMNS; lane++) {
            int64_t row = p * SPARSE24_COLUMNS + lane;
            const char *in = (const char *)t->data + row * row_bytes;
            char *out = (char *)packed + p * panel_bytes(t->dim[1]) + 4 * lane;
            for (int64_t b = 0; b < blocks; b++, in += FORMAT_BYTES, out += SPARSE24_BLOCK_BYTES) {
                uint32_t word[1 + SPARSE24_GROUPS] = {0x33333333};
                if (row < t->dim[0]) memcpy(word, in, sizeof word);
                for (int i = 0; i <= SPARSE24_GROUPS; i++)
                    memcpy(out + i * SPARSE24_MASK_BYTES, &word[i], sizeof *word);
            }
        }
}

static void pack_row(const tensor *t, const void *packed, int64_t row, float *out) {
    const char *in = (const char *)packed + row / SPARSE24_COLUMNS * panel_bytes(t->dim[1]) +
                     row % SPARSE24_COLUMNS * 4;
    for (int64_t k = 0; k < t->dim[1]; k += SPARSE24_K, in += SPARSE24_BLOCK_BYTES) {
        uint32_t word[1 + SPARSE24_GROUPS];
        for (int i = 0; i <= SPARSE24_GROUPS; i++)
            memcpy(&word[i], in + i * SPARSE24_MASK_BYTES, sizeof *word);
        t->format->unpack(word, 0, MIN_OF(SPARSE24_K, t->dim[1] - k), out + k);
    }
}

const pack_def sparse24_pack = {.name = "panels64_2of4",
                                .bytes = pack_bytes,
                                .units = panels_of,
                                .run = pack_run,
                                .row = pack_row};

const pack_def *sparse24_wants(const kernel_query *q, int32_t operand) {
    (void)q;
    return operand == MATMUL_B ? &sparse24_pack : NULL;
}

/* ---- geometry ---- */

typedef struct sparse24_plan {
    int64_t m, n, k, blocks, panels;
    int64_t block, row_blocks; /* rows of a unit */
    int64_t a_stride;
    bool pack_a, pack_b;
} sparse24_plan;

static sparse24_plan plan_of(const call *c) {
    const tensor *a = &c->in[MATMUL_A], *b = &c->in[MATMUL_B];
    sparse24_plan x = {.m = 1, .n = b->dim[0], .k = b->dim[1]};
    for (int32_t d = 0; d < a->rank - 1; d++) x.m *= a->dim[d];
    x.blocks = div_up(x.k, SPARSE24_K);
    x.panels = panels_of(b);
    x.pack_b = !b->layout;
    x.pack_a = x.k % SPARSE24_K || !is(a->format, "bf16");
    x.a_stride = 2 * SPARSE24_K * x.blocks;
    x.row_blocks = MAX_OF(1, div_up(x.m, BLOCK_ROWS));
    x.block = round_up(div_up(x.m, x.row_blocks), x.row_blocks > 1 ? SPARSE24_STRIP : 1);
    x.row_blocks = MAX_OF(1, div_up(x.m, MAX_OF(1, x.block)));
    return x;
}

static int64_t packed_a_bytes(const sparse24_plan *x) {
    return x->pack_a ? x->m * x->a_stride : 0;
}

/* Shared scratch: [rows of a][packed b], each where it is not as tiles read it. */
int64_t sparse24_shared(const call *c) {
    sparse24_plan x = plan_of(c);
    return packed_a_bytes(&x) + (x.pack_b ? pack_bytes(&c->in[MATMUL_B]) : 0);
}

/* Thread scratch: the sums of a strip. */
int64_t sparse24_scratch(const call *c) {
    (void)c;
    return SPARSE24_STRIP * SPARSE24_COLUMNS * (int64_t)sizeof(float);
}

static int64_t prepare_rows(const sparse24_plan *x) {
    return x->pack_a ? div_up(x->m, PREPARE_ROWS) : 0;
}

int64_t sparse24_prepare_units(const call *c) {
    sparse24_plan x = plan_of(c);
    return prepare_rows(&x) + (x.pack_b ? x.panels : 0);
}

static void prepare_row(const sparse24_plan *x, const num_format *f, const char *row,
                        uint16_t *out) {
    for (int64_t k = 0; k < x->blocks * SPARSE24_K; k += SPARSE24_K) {
        float part[SPARSE24_K] = {0};
        f->unpack(row, k, MIN_OF(SPARSE24_K, x->k - k), part);
        for (int i = 0; i < SPARSE24_K; i++) out[k + i] = half_to_bf16(part[i]);
    }
}

void sparse24_prepare(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    sparse24_plan x = plan_of(c);
    const tensor *a = &c->in[MATMUL_A];
    int64_t rows = prepare_rows(&x), bytes = num_row_bytes(a->format, x.k);
    char *shared = c->scratch;
    for (int64_t u = from; u < to; u++) {
        if (u >= rows) {
            pack_run(&c->in[MATMUL_B], shared + packed_a_bytes(&x), u - rows, u - rows + 1);
            continue;
        }
        for (int64_t r = u * PREPARE_ROWS; r < MIN_OF(x.m, (u + 1) * PREPARE_ROWS); r++)
            prepare_row(&x, a->format, (const char *)a->data + r * bytes,
                        (uint16_t *)(void *)(shared + r * x.a_stride));
    }
}

int64_t sparse24_units(const call *c) {
    sparse24_plan x = plan_of(c);
    return x.m ? x.panels * x.row_blocks : 0;
}

void sparse24_run(const sparse24_family *f, const call *c, int64_t from, int64_t to,
                  void *scratch) {
    sparse24_plan x = plan_of(c);
    const char *a = x.pack_a ? c->scratch : c->in[MATMUL_A].data;
    const char *b = x.pack_b ? (const char *)c->scratch + packed_a_bytes(&x) : c->in[MATMUL_B].data;
    for (int64_t u = from; u < to; u++) {
        int64_t panel = u / x.row_blocks, row = u % x.row_blocks * x.block;
        int64_t end = MIN_OF(row + x.block, x.m), column = panel * SPARSE24_COLUMNS;
        for (int64_t strips = div_up(end - row, SPARSE24_STRIP); strips > 0; strips--) {
            int64_t rows = (end - row + strips - 1) / strips; /* shared evenly */
            f->tile[rows - 1](a + row * x.a_stride, x.a_stride, b + panel * panel_bytes(x.k),
                              x.blocks, scratch);
            matmul_epilogue e = matmul_epilogue_at(c, x.n, row, column);
            matmul_finish(&e, scratch, rows, MIN_OF(x.n - column, SPARSE24_COLUMNS));
            row += rows;
        }
    }
}
