/* Costs of a plan (plan/cost.h). A product runs at the rate of its narrowest operand's type; what is no product (or
 * attention) runs at the f32 rate, and is nearly always bound by memory. */
#include "plan/cost.h"
#include <string.h>

static machine_type type_of_work(const plan_step *s) {
    if (s->node->op->precision != PRECISION_DOT) return MACHINE_F32;
    double least = 32;
    for (int32_t i = 0; i < s->c.n_in; i++) {
        const num_format *f = s->c.in[i].format;
        if (!f || f->kind != NUM_FLOAT || !s->c.in[i].rank) continue;
        double bits = 8.0 * (double)num_row_bytes(f, 256) / 256;
        if (bits < least) least = bits;
    }
    return least > 16 ? MACHINE_F32 : MACHINE_BF16;
}

static void add(phase_cost *to, const cost *c, double arithmetic, double memory) {
    to->flops += c->flops;
    to->bytes += c->bytes;
    to->seconds += MAX_OF(arithmetic, memory);
    if (arithmetic >= memory)
        to->arithmetic += arithmetic;
    else
        to->memory += memory;
}

void cost_of_plan(const plan *p, const machine *m, graph_cost *out) {
    *out = (graph_cost){0};
    for (int32_t i = 0; i < p->n_steps; i++) {
        const plan_step *s = &p->steps[i];
        cost c = {0};
        if (s->skipped || !s->node->op->cost) continue;
        s->node->op->cost(&s->c, &c);
        double arithmetic = c.flops / (machine_rate(m, type_of_work(s)) * m->reached);
        double memory = c.bytes / (m->bandwidth * m->carried);
        phase phase = s->node->phase;
        add(&out->phase[phase], &c, arithmetic, memory);
        if (phase != PHASE_LOAD) add(&out->all, &c, arithmetic, memory);
    }
}

double cost_seconds(const graph_cost *c, const machine *m) {
    return c->all.seconds / (double)MAX_OF(m->devices, 1);
}

const char *cost_bottleneck(const graph_cost *c) {
    return c->all.arithmetic >= c->all.memory ? "arithmetic" : "memory bandwidth";
}
