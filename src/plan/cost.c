/* Costs of a plan (plan/cost.h). A product of whole numbers runs at the int8 rate, another at the rate of its narrowest
 * operand's type, where codes count as what they are unpacked to; what is no product (or attention) runs at the f32
 * rate, and is nearly always bound by memory. */
#include "plan/cost.h"
#include <math.h>
#include <string.h>

static machine_type type_of_work(const plan_step *s) {
    if (s->node->op->precision != PRECISION_DOT) return MACHINE_F32;
    double least = 32;
    if (s->c.n_in && s->c.in[0].format && s->c.in[0].format->kind == NUM_BLOCK) return MACHINE_INT8;
    for (int32_t i = 0; i < s->c.n_in; i++) {
        const num_format *f = s->c.in[i].format;
        if (!f || !s->c.in[i].rank) continue;
        if (f->kind == NUM_BLOCK) least = fmin(least, 16);
        if (f->kind == NUM_FLOAT) least = fmin(least, 8.0 * (double)num_row_bytes(f, 256) / 256);
    }
    return least > 16 ? MACHINE_F32 : MACHINE_BF16;
}

bool cost_of_step(const plan_step *s, const machine *m, cost_step *out) {
    cost c = {0};
    if (s->skipped || !s->node->op->cost) return false;
    s->node->op->cost(&s->c, &c);
    *out = (cost_step){.flops = c.flops, .bytes = c.bytes, .type = type_of_work(s)};
    double arithmetic = c.flops / machine_rate(m, out->type), memory = c.bytes / m->bandwidth;
    out->memory = memory > arithmetic;
    out->seconds = fmax(memory, arithmetic);
    out->both = fmin(memory, arithmetic) > 0.4 * out->seconds;
    return true;
}

/* As measured of work most alike; else what work in general reaches. */
static double share_of(const machine *m, const op_def *op, const cost_step *s) {
    double share = s->memory ? m->carried : m->reached;
    int best = 0;
    for (int32_t i = 0; i < m->n_shares; i++) {
        const machine_share *k = &m->shares[i];
        if (k->op != op || k->memory != s->memory) continue;
        int alike = 1 + 2 * (k->type == s->type) + (k->both == s->both);
        if (alike <= best) continue;
        best = alike;
        share = k->share;
    }
    return share;
}

static void add(phase_cost *to, const cost_step *s, double seconds) {
    to->flops += s->flops;
    to->bytes += s->bytes;
    to->seconds += seconds;
    *(s->memory ? &to->memory : &to->arithmetic) += seconds;
}

void cost_of_plan(const plan *p, const machine *m, graph_cost *out) {
    *out = (graph_cost){0};
    for (int32_t i = 0; i < p->n_steps; i++) {
        const node *n = p->steps[i].node;
        cost_step s;
        if (!cost_of_step(&p->steps[i], m, &s)) continue;
        double seconds = s.seconds / share_of(m, n->op, &s);
        add(&out->phase[n->phase], &s, seconds);
        if (n->phase != PHASE_LOAD) add(&out->all, &s, seconds);
    }
}

static void add_phase(phase_cost *to, const phase_cost *more) {
    to->flops += more->flops;
    to->bytes += more->bytes;
    to->seconds += more->seconds;
    to->arithmetic += more->arithmetic;
    to->memory += more->memory;
}

void cost_add(graph_cost *to, const graph_cost *more) {
    for (int i = 0; i < COST_PHASES; i++) add_phase(&to->phase[i], &more->phase[i]);
    add_phase(&to->all, &more->all);
}

double cost_seconds(const graph_cost *c, const machine *m) {
    return c->all.seconds / (double)MAX_OF(m->devices, 1);
}

bool cost_is_arithmetic(const graph_cost *c) {
    return c->all.arithmetic >= c->all.memory;
}

const char *cost_bottleneck(const graph_cost *c) {
    return cost_is_arithmetic(c) ? "arithmetic" : "memory bandwidth";
}
