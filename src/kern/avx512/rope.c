/* Rotary positions. A row's angles are turned into sines and cosines once, in double (positions times frequencies
 * reach far beyond what floats reduce well), and used by all of its heads. */
#include "kern/kit/rows_avx512.h"
#include "ops/rope.h"
#include <math.h>
#include <string.h>

static int64_t scratch_bytes(const call *c) {
    return ((const rope_params *)c->params)->rotary * (int64_t)sizeof(float);
}

static void row_angles(const call *c, int64_t row, float *cosine, float *sine) {
    const rope_params *p = c->params;
    const tensor *f = &c->in[ROPE_FREQUENCIES];
    double position = ((const int32_t *)c->in[ROPE_POSITIONS].data)[row];
    for (int64_t j = 0; j < p->rotary / 2; j++) {
        double angle =
            position * _mm512_cvtss_f32(vec_load_some(vec_format_of(f->format), f->data, j, 1));
        cosine[j] = (float)(p->scale * cos(angle));
        sine[j] = (float)(p->scale * sin(p->back ? -angle : angle));
    }
}

ALWAYS_INLINE void turn_head(vec_format f, const rope_params *p, const void *x, void *y, int64_t at,
                             const float *cosine, const float *sine) {
    int64_t pairs = p->rotary / 2;
    for (int64_t j = 0; j < pairs; j += 16) {
        __mmask16 keep = vec_mask(pairs - j);
        __m512 c = _mm512_maskz_loadu_ps(keep, cosine + j),
               s = _mm512_maskz_loadu_ps(keep, sine + j);
        __m512 a = vec_load_some(f, x, at + j, keep), b = vec_load_some(f, x, at + pairs + j, keep);
        vec_store_some(f, y, at + j, keep, _mm512_fmsub_ps(a, c, _mm512_mul_ps(b, s)));
        vec_store_some(f, y, at + pairs + j, keep, _mm512_fmadd_ps(b, c, _mm512_mul_ps(a, s)));
    }
    for (int64_t k = p->rotary; k < p->head; k += 16) {
        __mmask16 keep = vec_mask(p->head - k);
        vec_store_some(f, y, at + k, keep, vec_load_some(f, x, at + k, keep));
    }
}

ALWAYS_INLINE void run_rows(vec_format f, const call *c, int64_t from, int64_t to, float *scratch) {
    const rope_params *p = c->params;
    int64_t columns = rows_columns(&c->out[0]);
    float *cosine = scratch, *sine = scratch + p->rotary / 2;
    rows_range(&c->out[0], &from, &to);
    for (int64_t r = from; r < to; r++) {
        row_angles(c, r, cosine, sine);
        for (int64_t h = 0; h < columns; h += p->head)
            turn_head(f, p, c->in[ROPE_X].data, c->out[0].data, r * columns + h, cosine, sine);
    }
}

static void run(const call *c, int64_t from, int64_t to, void *scratch) {
    vec_format f = vec_format_of(c->out[0].format);
    if (f == VEC_F32)
        run_rows(VEC_F32, c, from, to, scratch);
    else if (f == VEC_BF16)
        run_rows(VEC_BF16, c, from, to, scratch);
    else
        run_rows(VEC_F16, c, from, to, scratch);
}

static bool supports(const kernel_query *q, reason *why) {
    kernel_query floats = *q;
    floats.in[ROPE_POSITIONS] = NULL;
    if (((const rope_params *)q->node->params)->interleaved)
        return refuse(why, "pairs are neighbours, not halves");
    if (strcmp(q->in[ROPE_POSITIONS]->format->name, "i32"))
        return refuse(why, "positions are %s", q->in[ROPE_POSITIONS]->format->name);
    if (q->in[ROPE_X]->format != q->out[0]->format) return refuse(why, "x and y differ in format");
    return flat_supports(&floats, why);
}

static const kernel_def kernel = {.name = "avx512.rope",
                                  .op = &op_rope,
                                  .isa = "avx512",
                                  .order = 1,
                                  .supports = supports,
                                  .scratch_bytes = scratch_bytes,
                                  .units = rows_units,
                                  .run = run,
                                  .tolerance = 0x1p-20};

const kernel_def *const kernels_avx512_rope[] = {&kernel, NULL};
