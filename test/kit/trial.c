/* Examples as wholes. */
#include "kit/trial.h"
#include "graph/params.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TOKENS = 37, SEQUENCES = 4 };

void trial_close(trial *t) {
    plan_free(t->p);
    states_free(t->store);
    pool_free(t->workers);
    graph_free(t->g);
}

/* Moments as states "NAME.m" and "NAME.v"; the inputs "lr" and "step". */
static status add_updates(graph *g) {
    const num_format *f32 = num_find("f32");
    value lr = graph_input(g, "lr", type_of(f32, 0, NULL));
    value step = graph_input(g, "step", type_of(num_find("i32"), 0, NULL));
    int32_t n_marks = g->n_marks;
    g->phase = PHASE_UPDATE;
    for (int32_t i = 0; i < n_marks && graph_status(g) == STATUS_OK; i++) {
        mark m = g->marks[i];
        if (m.kind != MARK_GRADIENT) continue;
        char name[64];
        snprintf(name, sizeof name, "%s.m", m.name);
        value moment = graph_state(g, name, *value_type(g, m.of), TAG_OPTIMISER);
        snprintf(name, sizeof name, "%s.v", m.name);
        value variance = graph_state(g, name, *value_type(g, m.of), TAG_OPTIMISER);
        value in[] = {m.of, moment, variance, m.at, lr, step};
        value next = graph_apply(g, "adamw", "beta1=0.9, beta2=0.99, eps=1e-8", 6, in);
        for (int32_t o = 0; o < 3 && !value_absent(next); o++)
            graph_mark(g, MARK_NEXT, NULL, (value){next.node, o}, in[o]);
    }
    g->phase = PHASE_FORWARD;
    return graph_status(g);
}

static status rewrite_all(context *cx, const trial_setup *setup, graph **g) {
    uint32_t facts = 0;
    *g = graph_new(cx);
    if (!*g) return STATUS_NO_MEMORY;
    setup->example->build(*g);
    TRY(graph_verify(*g));
    for (int32_t i = 0; i < setup->n_steps; i++) {
        const trial_step *s = &setup->steps[i];
        graph *next;
        if (!s->def) {
            TRY(add_updates(*g));
            continue;
        }
        TRY(rewrite_run(s->def, *g, s->options, &facts, &next));
        graph_free(*g);
        *g = next;
    }
    return STATUS_OK;
}

status trial_open(context *cx, const trial_setup *setup, trial *t) {
    *t = (trial){0};
    plan_options options = {
        .isa_limit = ISA_COUNT - 1, .poison = true, .reference_only = setup->reference_only};
    int64_t at[MAX_SYMBOLS] = {0};
    status st = rewrite_all(cx, setup, &t->g);
    if (st == STATUS_OK) t->store = states_new(cx);
    if (st == STATUS_OK && !t->store) st = STATUS_NO_MEMORY;
    if (st == STATUS_OK) st = pool_new(cx, setup->threads, &t->workers);
    if (st == STATUS_OK) st = plan_new(cx, t->g, t->store, t->workers, &options, &t->p);
    for (int32_t i = 1; st == STATUS_OK && i <= t->g->n_symbols; i++)
        at[i] = strcmp(t->g->symbols[i].name, "sequences") ? TOKENS : SEQUENCES;
    return st == STATUS_OK ? plan_bind(t->p, at) : st;
}

status trial_fill(trial *t, uint64_t seed) {
    sample s = {.state = seed};
    for (int32_t i = 0; i < states_count(t->store); i++) {
        const state *held = states_at(t->store, i);
        bool is_gain = held->t.rank == 1, is_moment = held->tag == TAG_OPTIMISER;
        for (int64_t j = 0; j < tensor_elems(&held->t) && !is_moment; j++)
            ((float *)held->t.data)[j] =
                (float)(is_gain ? sample_real(&s, 0.5, 1.5) : sample_real(&s, -0.15, 0.15));
    }
    for (int32_t i = 0; i < t->g->n_nodes; i++) {
        const node *n = t->g->nodes[i];
        if (n->op != &op_input) continue;
        const tensor *x = plan_tensor(t->p, (value){i, 0});
        bool offsets = !strcmp(n->name, "offsets");
        for (int64_t j = 0; j < tensor_elems(x); j++) {
            if (x->format->kind != NUM_INDEX)
                ((float *)x->data)[j] = (float)sample_real(&s, -1, 1);
            else
                ((int32_t *)x->data)[j] =
                    (int32_t)(offsets ? TOKENS * j * j / (SEQUENCES * SEQUENCES)
                                      : sample_int(&s, 0, 9));
        }
    }
    return plan_load(t->p);
}

double trial_run(trial *t, uint64_t step_seed) {
    plan_run(t->p, step_seed);
    return *(const float *)plan_tensor(t->p, plan_find_output(t->p, "loss"))->data;
}

double trial_distance(const trial *a, const trial *b) {
    double off = 0, norm = 0;
    bool same = true;
    for (int32_t i = 0; i < a->g->n_marks; i++) {
        const mark *m = &a->g->marks[i];
        if (m->kind != MARK_GRADIENT) continue;
        const mark *n = graph_find_mark(b->g, MARK_GRADIENT, graph_find(b->g, m->name));
        const float *x = plan_tensor(a->p, m->at)->data, *y = plan_tensor(b->p, n->at)->data;
        int64_t count = tensor_elems(plan_tensor(a->p, m->at));
        same &= !memcmp(x, y, (size_t)count * sizeof *x);
        for (int64_t j = 0; j < count; j++) off += pow(x[j] - y[j], 2), norm += pow(y[j], 2);
    }
    return same ? 0 : sqrt(off / norm) + 1e-300;
}
