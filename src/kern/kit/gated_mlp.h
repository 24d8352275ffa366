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
    bool past; /* the caches */
} gate_job;

ALWAYS_INLINE vec gate_step(const void *context, int64_t i, vec_part part) {
    const gate_job *j = context;
    const bool coarse = j->f == VEC_BF16;
    vec x = vec_load_some(j->f, j->gate, i, part), u = vec_load_some(j->f, j->up, i, part);
    return vec_mul(vec_act(j->act, x, coarse), u);
}

static bool gate_past(const call *c) {
    return flat_past(&c->out[0]);
}

ALWAYS_INLINE void gate_span(vec_format f, int32_t act, const call *c, int64_t from, int64_t to) {
    const gate_job j = {
        .f = f, .act = act, .gate = c->in[GATED_MLP_GATE].data, .up = c->in[GATED_MLP_UP].data};
    bool past = gate_past(c);
    vec_map_to(f, c->out[0].data, from, to, &j, gate_step, past);
    if (past) vec_past_end();
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
                                            .units = flat_units,   .run = gate_run,
                                            .past = gate_past,     .tolerance = 0x1p-20};

/* dgate and dup. */
ALWAYS_INLINE void gate_back(const gate_job *j, int64_t i, vec_part part, vec *dgate, vec *dup) {
    vec x = vec_load_some(j->f, j->gate, i, part), u = vec_load_some(j->f, j->up, i, part);
    vec dy = vec_load_some(j->f, j->dy, i, part);
    x = vec_max(vec_set(-87), x);
    vec_bend b = vec_bend_of(x, j->f == VEC_BF16);
    vec y = vec_mul(x, b.s), slope = vec_fma(vec_min(vec_set(87), x), b.slope, b.s);
    *dgate = vec_mul(vec_mul(dy, u), slope);
    *dup = vec_mul(dy, y);
}

static bool gate_past_back(const call *c) {
    return flat_past(&c->out[0]) && flat_past(&c->out[1]);
}

/* Two vectors of each output are there before they are stored. */
ALWAYS_INLINE void gate_span_back(vec_format f, const call *c, int64_t from, int64_t to) {
    const gate_job j = {.f = f,
                        .gate = c->in[GATED_MLP_GATE].data,
                        .up = c->in[GATED_MLP_UP].data,
                        .dy = c->in[GATED_MLP_DY].data,
                        .out = {c->out[0].data, c->out[1].data},
                        .past = gate_past_back(c)};
    vec d[2][2];
    int64_t i = from;
    for (; i + 2 * VEC <= to; i += 2 * VEC) {
        for (int k = 0; k < 2; k++) gate_back(&j, i + VEC * k, VEC_ALL, &d[0][k], &d[1][k]);
        for (int o = 0; o < 2; o++)
            if (j.out[o]) vec_store_two_to(f, j.out[o], i, d[o][0], d[o][1], j.past);
    }
    for (; i < to; i += VEC) {
        vec_part part = vec_first(to - i);
        gate_back(&j, i, part, &d[0][0], &d[1][0]);
        for (int o = 0; o < 2; o++)
            if (j.out[o]) vec_store_some(f, j.out[o], i, part, d[o][0]);
    }
    if (j.past) vec_past_end();
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

static const kernel_def kernel_gated_mlp_bwd = {
    VEC_KERNEL(gated_mlp_bwd), .supports = gate_supports_back, .units = flat_units,
    .run = gate_run_back,      .past = gate_past_back,         .tolerance = 0x1p-19};

const kernel_def *const VEC_NAME(gated_mlp)[] = {&kernel_gated_mlp, &kernel_gated_mlp_bwd, NULL};

#endif
