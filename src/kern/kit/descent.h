/* Plain gradient descent, and with momentum (ops/optimiser.h): one pass over the streams. */
#ifndef KERN_KIT_DESCENT_H
#define KERN_KIT_DESCENT_H

#include "kern/kit/flat.h"
#include "ops/optimiser.h"

typedef struct descent {
    const call *c;
    vec_format fw, fm, fg;
    bool nesterov;
    float lr, decay, mu, scale;
} descent;

ALWAYS_INLINE vec descent_gradient(const descent *j, int32_t operand, vec w, int64_t i,
                                   vec_part part) {
    vec g = vec_mul(vec_load_some(j->fg, j->c->in[operand].data, i, part), vec_set(j->scale));
    return vec_fma(vec_set(j->decay), w, g);
}

ALWAYS_INLINE void sgd_step(const void *context, int64_t i, vec_part part) {
    const descent *j = context;
    vec w = vec_load_some(j->fw, j->c->in[SGD_W].data, i, part);
    vec g = descent_gradient(j, SGD_GRAD, w, i, part);
    vec_store_some(j->fw, j->c->out[0].data, i, part, vec_fnma(vec_set(j->lr), g, w));
}

ALWAYS_INLINE void momentum_step(const void *context, int64_t i, vec_part part) {
    const descent *j = context;
    const call *c = j->c;
    vec w = vec_load_some(j->fw, c->in[MOMENTUM_W].data, i, part), mu = vec_set(j->mu);
    vec g = descent_gradient(j, MOMENTUM_GRAD, w, i, part);
    vec m = vec_fma(mu, vec_load_some(j->fm, c->in[MOMENTUM_M].data, i, part), g);
    vec way = j->nesterov ? vec_fma(mu, m, g) : m;
    if (c->out[1].data) vec_store_some(j->fm, c->out[1].data, i, part, m);
    if (c->out[0].data)
        vec_store_some(j->fw, c->out[0].data, i, part, vec_fnma(vec_set(j->lr), way, w));
}

ALWAYS_INLINE void descent_run(const call *c, descent j, int64_t from, int64_t to, vec_body *body) {
    flat_range(&c->out[0], &from, &to);
    if (j.fw == VEC_F32 && j.fm == VEC_F32 && j.fg == VEC_F32) {
        j.fw = j.fm = j.fg = VEC_F32;
        vec_each(from, to, &j, body);
    } else {
        vec_each(from, to, &j, body);
    }
}

static void run_sgd(const call *c, int64_t from, int64_t to, void *scratch) {
    const tensor *scale = &c->in[SGD_SCALE];
    (void)scratch;
    const descent j = {.c = c,
                       .fw = vec_format_of(c->in[SGD_W].format),
                       .fm = VEC_F32,
                       .fg = vec_format_of(c->in[SGD_GRAD].format),
                       .lr = flat_number(&c->in[SGD_LR], 0),
                       .decay = (float)((const sgd_params *)c->params)->decay,
                       .scale = scale->data ? flat_number(scale, 0) : 1};
    descent_run(c, j, from, to, sgd_step);
}

static void run_momentum(const call *c, int64_t from, int64_t to, void *scratch) {
    const momentum_params *p = c->params;
    const tensor *scale = &c->in[MOMENTUM_SCALE];
    (void)scratch;
    const descent j = {.c = c,
                       .fw = vec_format_of(c->in[MOMENTUM_W].format),
                       .fm = vec_format_of(c->in[MOMENTUM_M].format),
                       .fg = vec_format_of(c->in[MOMENTUM_GRAD].format),
                       .nesterov = p->nesterov,
                       .lr = flat_number(&c->in[MOMENTUM_LR], 0),
                       .decay = (float)p->decay,
                       .mu = (float)p->mu,
                       .scale = scale->data ? flat_number(scale, 0) : 1};
    descent_run(c, j, from, to, momentum_step);
}

#define DESCENT(id)                                                                                \
    static const kernel_def kernel_##id = {VEC_KERNEL(id), .supports = flat_supports,              \
                                           .units = flat_units, .run = run_##id,                   \
                                           .tolerance = 0x1p-20};

DESCENT(sgd)
DESCENT(momentum)

const kernel_def *const VEC_NAME(descent)[] = {&kernel_sgd, &kernel_momentum, NULL};

#endif
