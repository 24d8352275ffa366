/* Norms of rows. A row's sums run over 64 lanes, joined by one tree, so that they depend on its length alone. So that
 * memory is not idle while a row is counted: the lines of y are asked for while squares are added, unless they go past
 * the caches, those of the next row while y is written. */
#ifndef KERN_KIT_NORM_H
#define KERN_KIT_NORM_H

#include "kern/kit/rows.h"
#include "ops/norm.h"

typedef struct norm_job {
    vec_format f, fy, fw, fb;
    const void *x, *w, *b; /* x at the row; w and b: may be NULL */
    const char *y, *next;  /* what is asked for ahead */
    vec mean, factor, *sum;
    bool square, past; /* y is stored past the caches */
} norm_job;

ALWAYS_INLINE void norm_sum_step(const void *context, int k, int64_t i, vec_part part) {
    const norm_job *j = context;
    vec v = vec_load_some(j->f, j->x, i, part);
    if (j->square) {
        if (!j->past) PREFETCH(j->y + i * vec_bytes(j->fy));
        v = vec_kept(part, vec_sub(v, j->mean), vec_zero());
        j->sum[k] = vec_fma(v, v, j->sum[k]);
    } else {
        j->sum[k] = vec_add(v, j->sum[k]);
    }
}

/* The mean of x, or of (x - mean)^2. */
ALWAYS_INLINE float norm_average(norm_job j, int64_t n, float mean, bool square) {
    vec sum[4];
    for (int k = 0; k < 4; k++) sum[k] = vec_zero();
    j.sum = sum;
    j.mean = vec_set(mean);
    j.square = square;
    vec_gather(0, n, &j, norm_sum_step);
    return vec_sum4(sum) / (float)n;
}

/* y = (x - mean) * factor * w + b */
ALWAYS_INLINE vec norm_write_step(const void *context, int64_t i, vec_part part) {
    const norm_job *j = context;
    PREFETCH(j->next + i * vec_bytes(j->f));
    vec v = vec_mul(vec_sub(vec_load_some(j->f, j->x, i, part), j->mean), j->factor);
    if (j->w) v = vec_mul(v, vec_load_some(j->fw, j->w, i, part));
    if (j->b) v = vec_add(v, vec_load_some(j->fb, j->b, i, part));
    return v;
}

ALWAYS_INLINE void norm_row(norm_job j, void *y, int64_t n, double eps, bool layer) {
    float mean = layer ? norm_average(j, n, 0, false) : 0;
    float square = norm_average(j, n, mean, true);
    j.mean = vec_set(mean);
    j.factor = vec_set((float)(1 / sqrt((double)square + eps)));
    if (j.fw == VEC_F32 && j.fb == VEC_F32) {
        j.fw = j.fb = VEC_F32;
        vec_map_to(j.fy, y, 0, n, &j, norm_write_step, j.past);
    } else {
        vec_map_to(j.fy, y, 0, n, &j, norm_write_step, j.past);
    }
}

static bool norm_past(const call *c) {
    return rows_past(&c->out[0]);
}

ALWAYS_INLINE void norm_rows(vec_format f, vec_format fy, const call *c, int64_t from, int64_t to,
                             bool layer) {
    const norm_params *p = c->params;
    const tensor *w = &c->in[NORM_W], *b = layer ? &c->in[NORM_B] : w;
    norm_job j = {.f = f,
                  .fy = fy,
                  .fw = w->data ? vec_format_of(w->format) : VEC_F32,
                  .fb = b->data ? vec_format_of(b->format) : VEC_F32,
                  .w = w->data,
                  .b = layer ? b->data : NULL,
                  .past = norm_past(c)};
    int64_t n = rows_columns(&c->out[0]);
    rows_range(&c->out[0], &from, &to);
    for (int64_t r = from; r < to; r++) {
        j.x = (const char *)c->in[NORM_X].data + r * n * vec_bytes(f);
        j.next = (const char *)j.x + n * vec_bytes(f);
        j.y = (const char *)c->out[0].data + r * n * vec_bytes(fy);
        norm_row(j, (char *)c->out[0].data + r * n * vec_bytes(fy), n, p->eps, layer);
    }
    if (j.past) vec_past_end();
}

ALWAYS_INLINE void norm_run(const call *c, int64_t from, int64_t to, bool layer) {
    vec_format fx = vec_format_of(c->in[NORM_X].format), fy = vec_format_of(c->out[0].format);
    if (fx == fy)
        VEC_WITH_FORMAT(fx, norm_rows(F, F, c, from, to, layer));
    else if (fx == VEC_F32 && fy == VEC_BF16)
        norm_rows(VEC_F32, VEC_BF16, c, from, to, layer);
    else
        norm_rows(fx, fy, c, from, to, layer);
}

#define NORM(id, layer)                                                                            \
    static void run_##id(const call *c, int64_t from, int64_t to, void *scratch) {                 \
        (void)scratch;                                                                             \
        norm_run(c, from, to, layer);                                                              \
    }                                                                                              \
    static const kernel_def kernel_##id = {VEC_KERNEL(id),      .supports = flat_supports,         \
                                           .units = rows_units, .run = run_##id,                   \
                                           .past = norm_past,   .tolerance = 0x1p-18};

NORM(rms_norm, false)
NORM(layer_norm, true)

const kernel_def *const VEC_NAME(norm)[] = {&kernel_rms_norm, &kernel_layer_norm, NULL};

#endif
