/* AdamW: four streams read, three written, one pass. */
#ifndef KERN_KIT_ADAMW_H
#define KERN_KIT_ADAMW_H

#include "kern/kit/flat.h"
#include "ops/optimiser.h"

typedef struct adamw_job {
    vec_format f[4]; /* of w, m, v and the gradient */
    const call *c;
    float b1, rest1, b2, rest2, unbias_v, eps, shrink, step, scale;
} adamw_job;

static adamw_job adamw_job_of(const call *c) {
    const adamw_params *p = c->params;
    const tensor *step = &c->in[ADAMW_STEP];
    int64_t t;
    step->format->unpack_index(step->data, 0, 1, &t);
    float lr = flat_number(&c->in[ADAMW_LR], 0);
    adamw_job j = {.c = c,
                   .b1 = (float)p->beta1,
                   .rest1 = (float)(1 - p->beta1),
                   .b2 = (float)p->beta2,
                   .rest2 = (float)(1 - p->beta2),
                   .unbias_v = (float)(1 / (1 - pow(p->beta2, (double)t))),
                   .eps = (float)p->eps,
                   .shrink = (float)(lr * p->decay),
                   .step = (float)(1 / (1 - pow(p->beta1, (double)t))) * lr,
                   .scale = c->in[ADAMW_SCALE].data ? flat_number(&c->in[ADAMW_SCALE], 0) : 1};
    for (int i = 0; i < 4; i++) j.f[i] = vec_format_of(c->in[i].format);
    return j;
}

ALWAYS_INLINE void adamw_step(const void *context, int64_t i, vec_part part) {
    const adamw_job *j = context;
    const call *c = j->c;
    vec w = vec_load_some(j->f[0], c->in[ADAMW_W].data, i, part);
    vec m = vec_load_some(j->f[1], c->in[ADAMW_M].data, i, part);
    vec v = vec_load_some(j->f[2], c->in[ADAMW_V].data, i, part);
    vec g = vec_mul(vec_load_some(j->f[3], c->in[ADAMW_GRAD].data, i, part), vec_set(j->scale));
    m = vec_fma(vec_set(j->b1), m, vec_mul(vec_set(j->rest1), g));
    v = vec_fma(vec_set(j->b2), v, vec_mul(vec_set(j->rest2), vec_mul(g, g)));
    vec size = vec_sqrt(vec_mul(v, vec_set(j->unbias_v)));
    vec way = vec_div(vec_mul(m, vec_set(j->step)), vec_add(size, vec_set(j->eps)));
    w = vec_sub(vec_fnma(vec_set(j->shrink), w, w), way);
    if (c->out[0].data) vec_store_some(j->f[0], c->out[0].data, i, part, w);
    if (c->out[1].data) vec_store_some(j->f[1], c->out[1].data, i, part, m);
    if (c->out[2].data) vec_store_some(j->f[2], c->out[2].data, i, part, v);
}

static void adamw_run(const call *c, int64_t from, int64_t to, void *scratch) {
    adamw_job j = adamw_job_of(c);
    bool floats = true;
    (void)scratch;
    for (int i = 0; i < 4; i++) floats &= j.f[i] == VEC_F32;
    flat_range(&c->out[0], &from, &to);
    if (floats) {
        for (int i = 0; i < 4; i++) j.f[i] = VEC_F32;
        vec_each(from, to, &j, adamw_step);
    } else {
        vec_each(from, to, &j, adamw_step);
    }
}

static bool adamw_supports(const kernel_query *q, reason *why) {
    kernel_query floats = *q;
    floats.in[ADAMW_STEP] = NULL;
    return flat_supports(&floats, why);
}

static const kernel_def kernel_adamw = {VEC_KERNEL(adamw), .supports = adamw_supports,
                                        .units = flat_units, .run = adamw_run,
                                        .tolerance = 0x1p-18};

const kernel_def *const VEC_NAME(adamw)[] = {&kernel_adamw, NULL};

#endif
