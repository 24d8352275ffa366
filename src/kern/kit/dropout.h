/* Dropout. The random words are those of ops/dropout.h, sixteen blocks of four at a time in a loop that the compiler
 * turns into vectors; a unit begins where such a group does. */
#ifndef KERN_KIT_DROPOUT_H
#define KERN_KIT_DROPOUT_H

#include "kern/kit/flat.h"
#include "ops/dropout.h"

enum { DROPOUT_GROUP = 64 };

/* 1 where an element lives, else 0. */
static void dropout_draw(uint64_t seed, uint64_t stream, uint64_t block, float p, float *lives) {
    for (int b = 0; b < DROPOUT_GROUP / 4; b++) {
        rng_block r = rng_at(seed, stream, block + (uint64_t)b);
        for (int k = 0; k < 4; k++) lives[4 * b + k] = rng_unit_float(r.word[k]) >= p ? 1 : 0;
    }
}

typedef struct dropout_job {
    vec_format f;
    const void *x;
    int64_t first; /* element that lives[0] is of */
    const float *lives;
    vec times;
} dropout_job;

ALWAYS_INLINE vec dropout_step(const void *context, int64_t i, vec_part part) {
    const dropout_job *j = context;
    vec_is lives = vec_less(vec_zero(), vec_load_f32(j->lives + i - j->first, VEC_ALL));
    vec x = vec_mul(vec_load_some(j->f, j->x, i, part), j->times);
    return vec_pick(lives, x, vec_zero());
}

ALWAYS_INLINE void dropout_span(vec_format f, const call *c, int64_t from, int64_t to) {
    const dropout_params *p = c->params;
    float lives[DROPOUT_GROUP];
    dropout_job j = {
        .f = f, .x = c->in[0].data, .lives = lives, .times = vec_set((float)(1 / (1 - p->p)))};
    for (j.first = from; j.first < to; j.first += DROPOUT_GROUP) {
        dropout_draw(c->step_seed, (uint64_t)p->stream, (uint64_t)j.first / 4, (float)p->p, lives);
        vec_map(f, c->out[0].data, j.first, MIN_OF(to, j.first + DROPOUT_GROUP), &j, dropout_step);
    }
}

static void dropout_run(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    flat_range(&c->out[0], &from, &to);
    VEC_WITH_FORMAT(vec_format_of(c->out[0].format), dropout_span(F, c, from, to));
}

static const kernel_def kernel_dropout = {VEC_KERNEL(dropout), .supports = flat_supports_same,
                                          .units = flat_units, .run = dropout_run,
                                          .tolerance = 0x1p-22};

const kernel_def *const VEC_NAME(dropout)[] = {&kernel_dropout, NULL};

#endif
