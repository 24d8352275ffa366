/* dx = dy act'(x), of the activations that are worth a pass of their own. */
#ifndef KERN_KIT_ACT_BWD_H
#define KERN_KIT_ACT_BWD_H

#include "kern/kit/flat.h"
#include "ops/act_bwd.h"

typedef struct slope_job {
    vec_format f;
    int32_t act;
    const void *x, *dy;
} slope_job;

ALWAYS_INLINE vec slope_step(const void *context, int64_t i, vec_part part) {
    const slope_job *j = context;
    const bool coarse = j->f == VEC_BF16;
    vec x = vec_load_some(j->f, j->x, i, part), dy = vec_load_some(j->f, j->dy, i, part);
    x = j->act == ACT_SILU   ? vec_silu_slope(x, coarse)
        : j->act == ACT_GELU ? vec_gelu_slope(x, coarse)
                             : vec_gelu_tanh_slope(x, coarse);
    return vec_mul(dy, x);
}

ALWAYS_INLINE void slope_span(vec_format f, int32_t act, const call *c, int64_t from, int64_t to) {
    const slope_job j = {
        .f = f, .act = act, .x = c->in[ACT_BWD_X].data, .dy = c->in[ACT_BWD_DY].data};
    vec_map(f, c->out[0].data, from, to, &j, slope_step);
}

static void slope_run(const call *c, int64_t from, int64_t to, void *scratch) {
    int32_t act = ((const act_bwd_params *)c->params)->act;
    vec_format f = vec_format_of(c->out[0].format);
    (void)scratch;
    flat_range(&c->out[0], &from, &to);
    if (act == ACT_SILU)
        VEC_WITH_FORMAT(f, slope_span(F, ACT_SILU, c, from, to));
    else if (act == ACT_GELU)
        VEC_WITH_FORMAT(f, slope_span(F, ACT_GELU, c, from, to));
    else
        VEC_WITH_FORMAT(f, slope_span(F, ACT_GELU_TANH, c, from, to));
}

static bool slope_supports(const kernel_query *q, reason *why) {
    int32_t act = ((const act_bwd_params *)q->node->params)->act;
    if (!flat_supports_same(q, why)) return false;
    if (act != ACT_SILU && act != ACT_GELU && act != ACT_GELU_TANH)
        return refuse(why, "activation %d", act);
    return q->in[ACT_BWD_DY]->format == q->in[ACT_BWD_X]->format ||
           refuse(why, "x and dy differ in format");
}

static const kernel_def kernel_act_bwd = {VEC_KERNEL(act_bwd), .supports = slope_supports,
                                          .units = flat_units, .run = slope_run,
                                          .tolerance = 0x1p-19};

const kernel_def *const VEC_NAME(act_bwd)[] = {&kernel_act_bwd, NULL};

#endif
