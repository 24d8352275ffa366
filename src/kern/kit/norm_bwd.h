/* Backward of the norms of rows (ops/norm.h). A row is read twice, thrice where it is centred: for its sums over 64
 * lanes, joined by one tree, and, a few rows together, for dx. Where the caches cannot hold dx, rows go one by one and
 * the next row is asked for meanwhile: then a row that is read again lies in the first cache; dx is stored past the
 * caches, unless it lies over what was read. Rows fall into blocks whose size depends on the row's
 * length alone; a block adds up its dw and db in row order into its own line of the shared scratch, and the merge joins
 * the lines in order, so that the bits do not depend on who ran which block. */
#ifndef KERN_KIT_NORM_BWD_H
#define KERN_KIT_NORM_BWD_H

#include "kern/kit/rows.h"
#include "ops/norm.h"

enum {
    BLOCK_ROWS = 32,
    NORM_TOGETHER = 4,
    BLOCK_ELEMS = 4 * FLAT_UNIT,
    MERGE_COLUMNS = 64,
    MERGE_AHEAD = 16
};

typedef struct norm_source {
    vec_format fx, fdy, fw;
    const void *x, *dy, *w; /* w: may be NULL */
    int64_t n;              /* columns */
} norm_source;

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

static bool far_away(const call *c) {
    return c->out[0].data && rows_past(&c->out[0]);
}
static bool past(const call *c) {
    const void *dx = c->out[0].data;
    return far_away(c) && dx != c->in[NORM_BWD_X].data && dx != c->in[NORM_BWD_DY].data;
}

typedef struct norm_gather {
    const norm_source *s;
    int64_t at; /* where the row begins */
    bool layer;
    vec mean, *square, *q, *qx;
} norm_gather;

ALWAYS_INLINE void norm_mean_step(const void *context, int k, int64_t i, vec_part part) {
    const norm_gather *j = context;
    j->q[k] = vec_add(j->q[k], vec_load_some(j->s->fx, j->s->x, j->at + i, part));
}

ALWAYS_INLINE void norm_measure_step(const void *context, int k, int64_t i, vec_part part) {
    const norm_gather *j = context;
    const norm_source *s = j->s;
    vec x = vec_load_some(s->fx, s->x, j->at + i, part);
    vec q = vec_load_some(s->fdy, s->dy, j->at + i, part);
    if (j->layer) x = vec_kept(part, vec_sub(x, j->mean), vec_zero());
    if (s->w) q = vec_mul(q, vec_load_some(s->fw, s->w, i, part));
    j->square[k] = vec_fma(x, x, j->square[k]);
    j->qx[k] = vec_fma(q, x, j->qx[k]);
    if (j->layer) j->q[k] = vec_add(j->q[k], q);
}

ALWAYS_INLINE measure row_measure(const norm_source *s, int64_t at, double eps, bool layer) {
    measure m = {0};
    vec square[4], q[4], qx[4];
    norm_gather j = {.s = s, .at = at, .layer = layer, .square = square, .q = q, .qx = qx};
    for (int k = 0; k < 4; k++) square[k] = q[k] = qx[k] = vec_zero();
    if (layer) {
        vec_gather(0, s->n, &j, norm_mean_step);
        m.mean = vec_sum4(q) / (float)s->n;
        j.mean = vec_set(m.mean);
        for (int k = 0; k < 4; k++) q[k] = vec_zero();
    }
    vec_gather(0, s->n, &j, norm_measure_step);
    m.factor = (float)(1 / sqrt((double)(vec_sum4(square) / (float)s->n) + eps));
    m.q = layer ? vec_sum4(q) / (float)s->n : 0;
    m.qy = vec_sum4(qx) / (float)s->n * m.factor;
    return m;
}

typedef struct norm_write {
    const norm_source *s;
    const measure *m; /* of each row */
    int rows;
    int64_t at;
    void *dx;
    float *dw, *db;
    bool layer, far, past; /* far: the next row is asked for; past: dx is stored past the caches */
} norm_write;

/* Columns i.. of dx of some rows, one vector or two, and onto the block's dw and db; each of the three may be NULL. */
ALWAYS_INLINE void norm_write_step(const norm_write *j, int64_t i, int vectors, vec_part part) {
    const norm_source *s = j->s;
    vec w[2], dw[2], db[2], dx[2];
    for (int k = 0; k < vectors; k++) {
        w[k] = s->w ? vec_load_some(s->fw, s->w, i + VEC * k, part) : vec_set(1);
        dw[k] = j->dw ? vec_load(VEC_F32, j->dw, i + VEC * k) : vec_zero();
        db[k] = j->db ? vec_load(VEC_F32, j->db, i + VEC * k) : vec_zero();
    }
    for (int r = 0; r < j->rows; r++) {
        const int64_t at = j->at + r * s->n + i;
        const vec times = vec_set(j->m[r].factor);
        if (j->far) {
            vec_ask(s->fx, s->x, at + s->n, vectors);
            vec_ask(s->fdy, s->dy, at + s->n, vectors);
        }
        for (int k = 0; k < vectors; k++) {
            const int64_t here = at + VEC * k;
            vec x = vec_load_some(s->fx, s->x, here, part);
            vec dy = vec_load_some(s->fdy, s->dy, here, part);
            if (j->layer) x = vec_sub(x, vec_set(j->m[r].mean));
            vec y = vec_mul(x, times), q = vec_mul(dy, w[k]);
            dw[k] = vec_fma(dy, y, dw[k]);
            if (j->layer) {
                db[k] = vec_add(dy, db[k]);
                q = vec_sub(q, vec_set(j->m[r].q));
            }
            q = vec_fnma(y, vec_set(j->m[r].qy), q);
            dx[k] = vec_mul(q, times);
        }
        if (j->dx && vectors == 2)
            vec_store_two_to(s->fx, j->dx, at, dx[0], dx[1], j->past);
        else if (j->dx)
            vec_store_some(s->fx, j->dx, at, part, dx[0]);
    }
    for (int k = 0; k < vectors; k++) {
        if (j->dw) vec_store(VEC_F32, j->dw, i + VEC * k, dw[k]);
        if (j->db) vec_store(VEC_F32, j->db, i + VEC * k, db[k]);
    }
}

ALWAYS_INLINE void norm_rows(const norm_source *s, int rows, int64_t at, double eps, bool layer,
                             void *dx, float *dw, float *db, bool far, bool past) {
    measure m[NORM_TOGETHER];
    for (int r = 0; r < rows; r++) m[r] = row_measure(s, at + r * s->n, eps, layer);
    const norm_write j = {.s = s,
                          .m = m,
                          .rows = rows,
                          .at = at,
                          .dx = dx,
                          .dw = dw,
                          .db = db,
                          .layer = layer,
                          .far = far,
                          .past = past};
    int64_t i = 0;
    for (; i + 2 * VEC <= s->n; i += 2 * VEC) norm_write_step(&j, i, 2, VEC_ALL);
    for (; i < s->n; i += VEC) norm_write_step(&j, i, 1, vec_first(s->n - i));
}

static float *line_of(const call *c, int64_t block, int32_t o) {
    return (float *)c->scratch + (block * (c->n_out - 1) + o - 1) * line_floats(c);
}

ALWAYS_INLINE void run_blocks(vec_format fx, vec_format fdy, const call *c, int64_t from,
                              int64_t to, bool layer) {
    const norm_params *p = c->params;
    const tensor *w = &c->in[NORM_BWD_W];
    void *dx = c->out[0].data;
    const bool far = far_away(c), stream = past(c);
    const int64_t rows = rows_count(&c->in[0]), step = block_rows(rows_columns(&c->in[0]));
    const norm_source s = {.fx = fx,
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
            if (dw) vec_store(VEC_F32, dw, i, vec_zero());
            if (db) vec_store(VEC_F32, db, i, vec_zero());
        }
        int64_t r = b * step, end = MIN_OF((b + 1) * step, rows);
        for (; far && r < end; r++)
            norm_rows(&s, 1, r * s.n, p->eps, layer, dx, dw, db, true, stream);
        for (; r + NORM_TOGETHER <= end; r += NORM_TOGETHER)
            norm_rows(&s, NORM_TOGETHER, r * s.n, p->eps, layer, dx, dw, db, false, false);
        for (; r < end; r++) norm_rows(&s, 1, r * s.n, p->eps, layer, dx, dw, db, false, false);
    }
    if (stream) vec_past_end();
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
            vec sum[4];
            for (int k = 0; k < 4; k++) sum[k] = vec_zero();
            for (int64_t b = 0; b < blocks; b++) {
                vec_ask(VEC_F32, line_of(c, MIN_OF(b + MERGE_AHEAD, blocks - 1), o), i, 4);
                for (int k = 0; k < 4; k++)
                    sum[k] = vec_add(sum[k], vec_load(VEC_F32, line_of(c, b, o), i + 16 * k));
            }
            for (int k = 0; k < 4 && i + 16 * k < n; k++)
                vec_store_some(f, c->out[o].data, i + 16 * k, vec_first(n - i - 16 * k), sum[k]);
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
    static const kernel_def kernel_##id = {                                                        \
        VEC_KERNEL(id),      .supports = supports, .shared_bytes = shared_bytes, .units = units,   \
        .run = run_##id,     .past = past,         .merge_units = merge_units,   .merge = merge,   \
        .tolerance = 0x1p-17};

NORM_BWD(rms_norm_bwd, false)
NORM_BWD(layer_norm_bwd, true)

const kernel_def *const VEC_NAME(norm_bwd)[] = {&kernel_rms_norm_bwd, &kernel_layer_norm_bwd, NULL};

#endif
