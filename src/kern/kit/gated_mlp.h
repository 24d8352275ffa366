/* y = act(gate) up, and for silu its backward: with s = sigmoid(gate),
 *   dgate = dy up (s + gate s (1 - s)),  dup = dy gate s. */
#ifndef KERN_KIT_GATED_MLP_H
#define KERN_KIT_GATED_MLP_H

#include "kern/kit/acts.h"
#include "kern/kit/flat.h"
#include "ops/gated_mlp.h"

typedef struct gate_job {
    vec_format f;
    int32_t act;
    const void *gate, *up, *dy;
    void *out[2];
} gate_job;

ALWAYS_INLINE vec gate_step(const void *context, int64_t i, vec_part part) {
    const gate_job *j = context;
    const bool coarse = j->f == VEC_BF16;
    vec x = vec_load_some(j->f, j->gate, i, part), u = vec_load_some(j->f, j->up, i, part);
    return vec_mul(vec_act(j->act, x, coarse), u);
}

ALWAYS_INLINE void gate_span(vec_format f, int32_t act, const call *c, int64_t from, int64_t to) {
    const gate_job j = {
        .f = f, .act = act, .gate = c->in[GATED_MLP_GATE].data, .up = c->in[GATED_MLP_UP].data};
    vec_map(f, c->out[0].data, from, to, &j, gate_step);
}

static void gate_run(const call *c, int64_t from, int64_t to, void *scratch) {
    int32_t act = ((const gated_mlp_params *)c->params)->act;
    vec_format f = vec_format_of(c->out[0].format);
    (void)scratch;
    flat_range(&c->out[0], &from, &to);
    if (act == ACT_SILU)
        VEC_WITH_FORMAT(f, gate_span(F, ACT_SILU, c, from, to));
    else
        VEC_WITH_FORMAT(f, gate_span(F, act, c, from, to));
}

static bool gate_supports(const kernel_query *q, reason *why) {
    if (!flat_supports(q, why)) return false;
    return (q->in[0]->format == q->out[0]->format && q->in[1]->format == q->out[0]->format) ||
           refuse(why, "gate, up and y differ in format");
}

static const kernel_def kernel_gated_mlp = {VEC_KERNEL(gated_mlp), .supports = gate_supports,
                                            .units = flat_units, .run = gate_run,
                                            .tolerance = 0x1p-20};

ALWAYS_INLINE void gate_step_back(const void *context, int64_t i, vec_part part) {
    const gate_job *j = context;
    vec x = vec_load_some(j->f, j->gate, i, part), u = vec_load_some(j->f, j->up, i, part);
    vec dy = vec_load_some(j->f, j->dy, i, part);
    x = vec_max(vec_set(-87), x);
    vec_bend b = vec_bend_of(x, j->f == VEC_BF16);
    vec y = vec_mul(x, b.s), slope = vec_fma(vec_min(vec_set(87), x), b.slope, b.s);
    if (j->out[0]) vec_store_some(j->f, j->out[0], i, part, vec_mul(vec_mul(dy, u), slope));
    if (j->out[1]) vec_store_some(j->f, j->out[1], i, part, vec_mul(dy, y));
}

ALWAYS_INLINE void gate_span_back(vec_format f, const call *c, int64_t from, int64_t to) {
    const gate_job j = {.f = f,
                        .gate = c->in[GATED_MLP_GATE].data,
                        .up = c->in[GATED_MLP_UP].data,
                        .dy = c->in[GATED_MLP_DY].data,
                        .out = {c->out[0].data, c->out[1].data}};
    vec_each(from, to, &j, gate_step_back);
}

static void gate_run_back(const call *c, int64_t from, int64_t to, void *scratch) {
    (void)scratch;
    flat_range(&c->in[0], &from, &to);
    VEC_WITH_FORMAT(vec_format_of(c->in[0].format), gate_span_back(F, c, from, to));
}

static bool gate_supports_back(const kernel_query *q, reason *why) {
    if (!flat_supports(q, why)) return false;
    if (((const gated_mlp_params *)q->node->params)->act != ACT_SILU)
        return refuse(why, "only silu");
    bool same = q->in[1]->format == q->in[0]->format && q->in[2]->format == q->in[0]->format;
    for (int o = 0; o < 2; o++) same &= !q->out[o] || q->out[o]->format == q->in[0]->format;
    return same || refuse(why, "the operands differ in format");
}

static const kernel_def kernel_gated_mlp_bwd = {VEC_KERNEL(gated_mlp_bwd),
                                                .supports = gate_supports_back, .units = flat_units,
                                                .run = gate_run_back, .tolerance = 0x1p-19};

const kernel_def *const VEC_NAME(gated_mlp)[] = {&kernel_gated_mlp, &kernel_gated_mlp_bwd, NULL};

#endif
