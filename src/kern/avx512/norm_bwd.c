/* Backward of the norms of rows (ops/norm.h). A row is read twice, thrice where it is centred: for its sums over 64
 * lanes, joined by one tree, and for dx. Rows fall into blocks whose size depends on the row's length alone; a block
 * adds up its dw and db in row order into its own line of the shared scratch, and the merge joins the lines in order,
 * so that the bits do not depend on who ran which block. */
#include "kern/kit/rows_avx512.h"
#include "ops/norm.h"
#include <math.h>

enum { BLOCK_ROWS = 32, BLOCK_ELEMS = 4 * FLAT_UNIT, MERGE_COLUMNS = 64 };

typedef struct source {
    vec_format fx, fdy, fw;
    const void *x, *dy, *w; /* w: may be NULL */
    int64_t n;              /* columns */
} source;

typedef struct sums {
    __m512 square[4], q[4], qx[4];
} sums;

/* Of a row: y = (x - mean) * factor; q's mean, and that of q times y. */
typedef struct measure {
    float mean, factor, q, qy;
} measure;

static int64_t block_rows(int64_t columns) {
    return MAX_OF(BLOCK_ROWS, BLOCK_ELEMS / MAX_OF(1, columns));
}
static int64_t units(const call *c) {
    return div_up(rows_count(&c->in[0]), block_rows(rows_columns(&c->in[0])));
}
/* Floats between the lines of dw and db. */
static int64_t line_floats(const call *c) {
    return round_up(rows_columns(&c->in[0]), MERGE_COLUMNS);
}
static int64_t shared_bytes(const call *c) {
    return units(c) * line_floats(c) * (c->n_out - 1) * (int64_t)sizeof(float);
}

ALWAYS_INLINE __m512 load_q(const source *s, int64_t at, int64_t i, __mmask16 keep) {
    __m512 dy = vec_load_some(s->fdy, s->dy, at + i, keep);
    return s->w ? _mm512_mul_ps(dy, vec_load_some(s->fw, s->w, i, keep)) : dy;
}

ALWAYS_INLINE __m512 join(const __m512 *a) {
    return _mm512_add_ps(_mm512_add_ps(a[0], a[1]), _mm512_add_ps(a[2], a[3]));
}

ALWAYS_INLINE float row_mean(const source *s, int64_t at) {
    __m512 sum[4];
    for (int k = 0; k < 4; k++) sum[k] = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + 64 <= s->n; i += 64)
        for (int k = 0; k < 4; k++)
            sum[k] = _mm512_add_ps(sum[k], vec_load(s->fx, s->x, at + i + 16 * k));
    for (int k = 0; i < s->n; i += 16, k++)
        sum[k] = _mm512_add_ps(sum[k], vec_load_some(s->fx, s->x, at + i, vec_mask(s->n - i)));
    return vec_sum(join(sum)) / (float)s->n;
}

ALWAYS_INLINE void add_sums(sums *a, int k, const source *s, int64_t at, int64_t i, __mmask16 keep,
                            __m512 middle, bool layer) {
    __m512 x = _mm512_maskz_sub_ps(keep, vec_load_some(s->fx, s->x, at + i, keep), middle);
    __m512 q = load_q(s, at, i, keep);
    a->square[k] = _mm512_fmadd_ps(x, x, a->square[k]);
    a->qx[k] = _mm512_fmadd_ps(q, x, a->qx[k]);
    if (layer) a->q[k] = _mm512_add_ps(a->q[k], q);
}

ALWAYS_INLINE measure row_measure(const source *s, int64_t at, double eps, bool layer) {
    measure m = {.mean = layer ? row_mean(s, at) : 0};
    const __m512 middle = vec_set(m.mean);
    sums a;
    for (int k = 0; k < 4; k++) a.square[k] = a.q[k] = a.qx[k] = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + 64 <= s->n; i += 64)
        for (int k = 0; k < 4; k++) add_sums(&a, k, s, at, i + 16 * k, 0xffff, middle, layer);
    for (int k = 0; i < s->n; i += 16, k++)
        add_sums(&a, k, s, at, i, vec_mask(s->n - i), middle, layer);
    float square = vec_sum(join(a.square)) / (float)s->n;
    m.factor = (float)(1 / sqrt((double)square + eps));
    m.q = layer ? vec_sum(join(a.q)) / (float)s->n : 0;
    m.qy = vec_sum(join(a.qx)) / (float)s->n * m.factor;
    return m;
}

/* dx, and onto the block's dw and db; each of the three may be NULL. */
ALWAYS_INLINE void row_write(const source *s, int64_t at, const measure *m, void *dx, float *dw,
                             float *db) {
    const __m512 middle = vec_set(m->mean), times = vec_set(m->factor);
    const __m512 q_mean = vec_set(m->q), qy_mean = vec_set(m->qy);
    for (int64_t i = 0; i < s->n; i += 16) {
        __mmask16 keep = vec_mask(s->n - i);
        __m512 x = vec_load_some(s->fx, s->x, at + i, keep);
        __m512 y = _mm512_mul_ps(_mm512_sub_ps(x, middle), times);
        __m512 dy = vec_load_some(s->fdy, s->dy, at + i, keep);
        __m512 q = s->w ? _mm512_mul_ps(dy, vec_load_some(s->fw, s->w, i, keep)) : dy;
        if (dw) vec_store(VEC_F32, dw, i, _mm512_fmadd_ps(dy, y, vec_load(VEC_F32, dw, i)));
        if (db) vec_store(VEC_F32, db, i, _mm512_add_ps(dy, vec_load(VEC_F32, db, i)));
        if (!dx) continue;
        q = _mm512_fnmadd_ps(y, qy_mean, _mm512_sub_ps(q, q_mean));
        vec_store_some(s->fx, dx, at + i, keep, _mm512_mul_ps(q, times));
    }
}

static float *line_of(const call *c, int64_t block, int32_t o) {
    return (float *)c->scratch + (block * (c->n_out - 1) + o - 1) * line_floats(c);
}

ALWAYS_INLINE void run_blocks(vec_format fx, vec_format fdy, const call *c, int64_t from,
                              int64_t to, bool layer) {
    const norm_params *p = c->params;
    const tensor *w = &c->in[NORM_BWD_W];
    const int64_t rows = rows_count(&c->in[0]), step = block_rows(rows_columns(&c->in[0]));
    const source s = {.fx = fx,
                      .fdy = fdy,
                      .fw = w->data ? vec_format_of(w->format) : VEC_F32,
                      .x = c->in[NORM_BWD_X].data,
                      .dy = c->in[NORM_BWD_DY].data,
                      .w = w->data,
                      .n = rows_columns(&c->in[0])};
    for (int64_t b = from; b < to; b++) {
        float *dw = c->out[1].data ? line_of(c, b, 1) : NULL;
        float *db = layer && c->out[2].data ? line_of(c, b, 2) : NULL;
        for (int64_t i = 0; i < line_floats(c); i += 16) {
            if (dw) vec_store(VEC_F32, dw, i, _mm512_setzero_ps());
            if (db) vec_store(VEC_F32, db, i, _mm512_setzero_ps());
        }
        for (int64_t r = b * step; r < MIN_OF((b + 1) * step, rows); r++) {
            measure m = row_measure(&s, r * s.n, p->eps, layer);
            row_write(&s, r * s.n, &m, c->out[0].data, dw, db);
        }
    }
}

ALWAYS_INLINE void run_formats(const call *c, int64_t from, int64_t to, bool layer) {
    vec_format fx = vec_format_of(c->in[NORM_BWD_X].format);
    vec_format fdy = vec_format_of(c->in[NORM_BWD_DY].format);
    if (fx == VEC_F32 && fdy == VEC_F32)
        run_blocks(VEC_F32, VEC_F32, c, from, to, layer);
    else if (fx == VEC_BF16 && fdy == VEC_BF16)
        run_blocks(VEC_BF16, VEC_BF16, c, from, to, layer);
    else if (fx == VEC_F32 && fdy == VEC_BF16)
        run_blocks(VEC_F32, VEC_BF16, c, from, to, layer);
    else
        run_blocks(fx, fdy, c, from, to, layer);
}

static int64_t merge_units(const call *c) {
    bool read = c->out[1].data || (c->n_out > 2 && c->out[2].data);
    return read ? line_floats(c) / MERGE_COLUMNS : 0;
}

static void merge(const call *c, int64_t from, int64_t to, void *scratch) {
    const int64_t n = rows_columns(&c->in[0]), blocks = units(c);
    (void)scratch;
    for (int32_t o = 1; o < c->n_out; o++) {
        if (!c->out[o].data) continue;
        vec_format f = vec_format_of(c->out[o].format);
        for (int64_t i = from * MERGE_COLUMNS; i < to * MERGE_COLUMNS; i += MERGE_COLUMNS) {
            __m512 sum[4];
            for (int k = 0; k < 4; k++) sum[k] = _mm512_setzero_ps();
            for (int64_t b = 0; b < blocks; b++)
                for (int k = 0; k < 4; k++)
                    sum[k] = _mm512_add_ps(sum[k], vec_load(VEC_F32, line_of(c, b, o), i + 16 * k));
            for (int k = 0; k < 4 && i + 16 * k < n; k++)
                vec_store_some(f, c->out[o].data, i + 16 * k, vec_mask(n - i - 16 * k), sum[k]);
        }
    }
}

static bool supports(const kernel_query *q, reason *why) {
    if (!flat_supports(q, why)) return false;
    return !q->out[0] || q->in[0]->format == q->out[0]->format ||
           refuse(why, "x and dx differ in format");
}

#define NORM_BWD(id, layer)                                                                        \
    static void run_##id(const call *c, int64_t from, int64_t to, void *scratch) {                 \
        (void)scratch;                                                                             \
        run_formats(c, from, to, layer);                                                           \
    }                                                                                              \
    static const kernel_def kernel_##id = {.name = "avx512." #id,                                  \
                                           .op = &op_##id,                                         \
                                           .isa = "avx512",                                        \
                                           .order = 1,                                             \
                                           .supports = supports,                                   \
                                           .shared_bytes = shared_bytes,                           \
                                           .units = units,                                         \
                                           .run = run_##id,                                        \
                                           .merge_units = merge_units,                             \
                                           .merge = merge,                                         \
                                           .tolerance = 0x1p-17};

NORM_BWD(rms_norm_bwd, false)
NORM_BWD(layer_norm_bwd, true)

const kernel_def *const kernels_avx512_norm_bwd[] = {&kernel_rms_norm_bwd, &kernel_layer_norm_bwd,
                                                     NULL};
