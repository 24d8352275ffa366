/* Rotary positions. A row's angles are turned into sines and cosines once and used by all of its heads; turning by
 * whole quarters is done in double, since positions times frequencies reach far beyond what floats reduce well.
 * Where pairs are neighbours, both of a pair find their cosine, and their sine with its sign, in their own lane. */
#ifndef KERN_KIT_ROPE_H
#define KERN_KIT_ROPE_H

#include "kern/kit/rows.h"
#include "ops/rope.h"
#include <string.h>

static int64_t rope_scratch(const call *c) {
    return 2 * ((const rope_params *)c->params)->rotary * (int64_t)sizeof(float);
}

/* Angles position * frequency, less the nearest whole number of quarter turns; of that, the last bits. */
static void rope_reduce(const float *frequency, double position, float *rest, int32_t *quarters) {
    for (int i = 0; i < VEC; i++) {
        double x = position * (double)frequency[i], n = rint(x * 0x1.45f306dc9c883p-1);
        double left = fma(n, -0x1.921fb54442d18p+0, x);
        rest[i] = (float)fma(n, -0x1.1a62633145c07p-54, left);
        quarters[i] = (int32_t)(n - 4 * floor(n * 0.25));
    }
}

/* Sines and cosines of |r| <= pi / 4 by the polynomials of Cephes' sinf and cosf, then turned by quarters. */
ALWAYS_INLINE void rope_sines(vec r, vec_ints quarters, vec *sine, vec *cosine) {
    static const float ps[] = {-1.6666654611e-1f, 8.3321608736e-3f, -1.9515295891e-4f};
    static const float pc[] = {4.166664568298827e-2f, -1.388731625493765e-3f,
                               2.443315711809948e-5f};
    const vec_ints one = vec_ints_set(1), two = vec_ints_set(2);
    vec z = vec_mul(r, r), s = vec_fma(vec_mul(vec_polynomial(z, 2, ps), z), r, r);
    vec c =
        vec_fma(vec_polynomial(z, 2, pc), vec_mul(z, z), vec_fma(z, vec_set(-0.5f), vec_set(1)));
    vec_is even = vec_ints_less(vec_ints_and(quarters, one), one);
    vec_ints down_s = vec_ints_left(vec_ints_and(quarters, two), 30);
    vec_ints down_c = vec_ints_left(vec_ints_and(vec_ints_add(quarters, one), two), 30);
    *sine = vec_xor(vec_pick(even, s, c), vec_of_bits(down_s));
    *cosine = vec_xor(vec_pick(even, c, s), vec_of_bits(down_c));
}

/* Of all pairs, in lanes: `cosine` and `sine` hold one a pair, or two where pairs are neighbours. */
static void rope_angles(const call *c, int64_t row, float *cosine, float *sine) {
    const rope_params *p = c->params;
    const tensor *f = &c->in[ROPE_FREQUENCIES];
    const int64_t pairs = p->rotary / 2;
    double position = ((const int32_t *)c->in[ROPE_POSITIONS].data)[row];
    const vec scale = vec_set((float)p->scale),
              turn = vec_set((float)(p->back ? -p->scale : p->scale));
    for (int64_t j = 0; j < pairs; j += VEC) {
        float x[VEC], rest[VEC];
        int32_t quarters[VEC];
        vec_part part = vec_first(pairs - j);
        vec s, k;
        vec_store_f32(x, VEC_ALL, vec_load_some(vec_format_of(f->format), f->data, j, part));
        rope_reduce(x, position, rest, quarters);
        rope_sines(vec_load_f32(rest, VEC_ALL), vec_load_ints(quarters, VEC_ALL), &s, &k);
        vec_store_f32(cosine + j, part, vec_mul(k, scale));
        vec_store_f32(sine + j, part, vec_mul(s, turn));
    }
    for (int64_t j = pairs - 1; p->interleaved && j >= 0; j--) {
        float s = sine[j];
        cosine[2 * j] = cosine[2 * j + 1] = cosine[j];
        sine[2 * j] = -s;
        sine[2 * j + 1] = s;
    }
}

typedef struct rope_job {
    vec_format f;
    const void *x;
    void *y;
    int64_t at, pairs;
    const float *cosine, *sine;
} rope_job;

ALWAYS_INLINE void rope_halves_step(const void *context, int64_t i, vec_part part) {
    const rope_job *j = context;
    vec c = vec_load_f32(j->cosine + i, part), s = vec_load_f32(j->sine + i, part);
    vec a = vec_load_some(j->f, j->x, j->at + i, part);
    vec b = vec_load_some(j->f, j->x, j->at + j->pairs + i, part);
    vec_store_some(j->f, j->y, j->at + i, part, vec_fms(a, c, vec_mul(b, s)));
    vec_store_some(j->f, j->y, j->at + j->pairs + i, part, vec_fma(b, c, vec_mul(a, s)));
}

ALWAYS_INLINE void rope_neighbours_step(const void *context, int64_t i, vec_part part) {
    const rope_job *j = context;
    vec x = vec_load_some(j->f, j->x, j->at + i, part);
    vec turned = vec_mul(vec_swap(x), vec_load_f32(j->sine + i, part));
    vec_store_some(j->f, j->y, j->at + i, part,
                   vec_fma(x, vec_load_f32(j->cosine + i, part), turned));
}

ALWAYS_INLINE void rope_copy_step(const void *context, int64_t i, vec_part part) {
    const rope_job *j = context;
    vec_store_some(j->f, j->y, j->at + i, part, vec_load_some(j->f, j->x, j->at + i, part));
}

ALWAYS_INLINE void rope_rows(vec_format f, const call *c, int64_t from, int64_t to,
                             float *scratch) {
    const rope_params *p = c->params;
    int64_t columns = rows_columns(&c->out[0]);
    rope_job j = {.f = f,
                  .x = c->in[ROPE_X].data,
                  .y = c->out[0].data,
                  .pairs = p->rotary / 2,
                  .cosine = scratch,
                  .sine = scratch + p->rotary};
    rows_range(&c->out[0], &from, &to);
    for (int64_t r = from; r < to; r++) {
        rope_angles(c, r, scratch, scratch + p->rotary);
        for (j.at = r * columns; j.at < (r + 1) * columns; j.at += p->head) {
            if (p->interleaved)
                vec_each(0, p->rotary, &j, rope_neighbours_step);
            else
                vec_each(0, j.pairs, &j, rope_halves_step);
            if (p->head > p->rotary) vec_each(p->rotary, p->head, &j, rope_copy_step);
        }
    }
}

static void rope_run(const call *c, int64_t from, int64_t to, void *scratch) {
    VEC_WITH_FORMAT(vec_format_of(c->out[0].format), rope_rows(F, c, from, to, scratch));
}

static bool rope_supports(const kernel_query *q, reason *why) {
    kernel_query floats = *q;
    floats.in[ROPE_POSITIONS] = NULL;
    if (strcmp(q->in[ROPE_POSITIONS]->format->name, "i32"))
        return refuse(why, "positions are %s", q->in[ROPE_POSITIONS]->format->name);
    return flat_supports_same(&floats, why);
}

static const kernel_def kernel_rope = {
    VEC_KERNEL(rope),    .supports = rope_supports, .scratch_bytes = rope_scratch,
    .units = rows_units, .run = rope_run,           .tolerance = 0x1p-20};

const kernel_def *const VEC_NAME(rope)[] = {&kernel_rope, NULL};

#endif
