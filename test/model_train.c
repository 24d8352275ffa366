/* Training against PyTorch: over twenty steps of AdamW, every loss, and of every gradient its norm and
 * its products with two directions, agree to 1e-5; models that are wrong in one place do not. */
#include "kit/model_case.h"
#include "ops/cross_entropy.h"
#include "ops/optimiser.h"
#include "ops/reduce.h"
#include "ops/scale.h"
#include "rewrite/autodiff.h"
#include "test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 20, MOST = 64, DIRECTIONS = 2, FIRST_DIRECTION = 1001, NUMBERS = 1 + DIRECTIONS };
static const int64_t lengths[MODEL_CASE_SEQUENCES] = {17, 9};
static const double rate = 3e-4, tolerance = 1e-5;

typedef struct learning {
    context *cx;
    model_case golden;
    model *m;
    graph *g;
    states *store;
    plan *p;
    char names[MOST][96];
    int64_t n_names;
    double wanted[STEPS][1 + NUMBERS * MOST];
} learning;

/* The steps that PyTorch took: names of the parameters, then a line of numbers a step. */
static status read_steps(learning *l, const char *name) {
    char path[300];
    file_map map;
    snprintf(path, sizeof path, "test/golden/train/%s", name);
    TRY(file_map_open(l->cx, path, &map));
    char *text = arena_strndup(&l->golden.memory, map.bytes, (size_t)map.size_bytes), *at = text;
    file_map_close(&map);
    if (!text) return STATUS_NO_MEMORY;
    char *line = strchr(text, '\n');
    *line++ = 0;
    for (char *word = strtok(at, " "); word && l->n_names < MOST; word = strtok(NULL, " "))
        snprintf(l->names[l->n_names++], sizeof *l->names, "%s", word);
    for (int s = 0; s < STEPS; s++)
        for (int64_t i = 0; i < 1 + NUMBERS * l->n_names; i++)
            l->wanted[s][i] = strtod(line, &line);
    return STATUS_OK;
}

static value scalar(graph *g, const char *name, const char *format) {
    return graph_input(g, name, type_fixed(num_find(format), 0, NULL));
}

/* AdamW on every parameter that has a gradient; vectors do not decay. */
static void add_updates(graph *g) {
    value lr = scalar(g, "rate", "f32"), step = scalar(g, "step", "i32");
    int32_t n_marks = g->n_marks;
    g->phase = PHASE_UPDATE;
    for (int32_t i = 0; i < n_marks; i++) {
        if (g->marks[i].kind != MARK_GRADIENT) continue;
        value w = g->marks[i].of;
        const node *n = value_node(g, w);
        char name[128];
        snprintf(name, sizeof name, "%s.m", n->name);
        value m = graph_state(g, name, n->out[0], TAG_OPTIMISER);
        snprintf(name, sizeof name, "%s.v", n->name);
        value v = graph_state(g, name, n->out[0], TAG_OPTIMISER);
        adamw_params p = {
            .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-4, .decay = n->out[0].rank > 1 ? 0.1 : 0};
        value in[ADAMW_OPERANDS] = {w, m, v, g->marks[i].at, lr, step, NO_VALUE};
        graph_mark(g, MARK_NEXT, n->name, build_adamw(g, &p, in), w);
    }
}

static status build(learning *l, model_fault fault) {
    graph *forward = graph_new(l->cx);
    if (!forward) return STATUS_NO_MEMORY;
    value y = model_case_build(forward, &l->m->config, fault, NULL, NULL);
    if (graph_status(forward) == STATUS_OK) {
        type ids = *value_type(forward, graph_find(forward, "ids"));
        value targets = graph_input(forward, "targets", ids);
        value each = build_cross_entropy(forward, y, targets, NO_VALUE, 0);
        double predicted = (double)(lengths[0] + lengths[1] - MODEL_CASE_SEQUENCES);
        value loss = build_scale(forward, build_sum(forward, each, 1, true), 1 / predicted, 0);
        graph_mark(forward, MARK_LOSS, "loss", loss, NO_VALUE);
    }
    uint32_t facts = 0;
    status st = graph_status(forward);
    if (st == STATUS_OK) st = rewrite_run(&rewrite_autodiff, forward, NULL, &facts, &l->g);
    graph_free(forward);
    TRY(st);
    add_updates(l->g);
    TRY(graph_status(l->g));
    l->store = states_new(l->cx);
    if (!l->store) return STATUS_NO_MEMORY;
    TRY(model_load(l->m, l->store, l->g));
    TRY(plan_new(l->cx, l->g, l->store, NULL, &(plan_options){.isa_limit = ISA_AMX}, &l->p));
    TRY(plan_load(l->p));
    return plan_bind(l->p, (int64_t[]){0, lengths[0] + lengths[1], MODEL_CASE_SEQUENCES});
}

static void set_inputs(const learning *l, int step) {
    int32_t *ids = plan_tensor(l->p, plan_find_input(l->p, "ids"))->data;
    int32_t *targets = plan_tensor(l->p, plan_find_input(l->p, "targets"))->data;
    for (int s = 0; s < MODEL_CASE_SEQUENCES; s++) {
        char name[64];
        double drawn[MODEL_CASE_TOKENS];
        snprintf(name, sizeof name, "step %d sequence %d", step, s);
        model_case_hash(name, 0, lengths[s], drawn);
        for (int64_t i = 0; i < lengths[s]; i++) {
            *ids = 3 + (int32_t)((drawn[i] + 1) * 1e6) % 90;
            if (i) targets[-1] = *ids;
            *targets = -1;
            ids++;
            targets++;
        }
    }
    *(float *)plan_tensor(l->p, plan_find_input(l->p, "rate"))->data = (float)rate;
    *(int32_t *)plan_tensor(l->p, plan_find_input(l->p, "step"))->data = step + 1;
}

/* The largest relative difference of a gradient's numbers from those of this step. */
static double gradient_error(const learning *l, const double *wanted, int64_t index) {
    value w = graph_find(l->g, l->names[index]);
    const mark *gradient = value_absent(w) ? NULL : graph_find_mark(l->g, MARK_GRADIENT, w);
    if (!gradient) return INFINITY;
    const tensor *t = plan_tensor(l->p, gradient->at);
    int64_t count = tensor_elems(t);
    const float *g = t->data;
    double *direction = context_alloc(l->cx, (size_t)count * sizeof *direction);
    if (!direction) return INFINITY;
    double squares = 0, worst = 0;
    for (int64_t i = 0; i < count; i++) squares += (double)g[i] * (double)g[i];
    double is[NUMBERS] = {sqrt(squares)};
    for (int d = 0; d < DIRECTIONS; d++) {
        model_case_hash(l->names[index], FIRST_DIRECTION + d, count, direction);
        for (int64_t i = 0; i < count; i++) is[1 + d] += (double)g[i] * direction[i];
    }
    context_release(l->cx, direction);
    for (int i = 0; i < NUMBERS; i++) {
        double error = fabs(is[i] - wanted[i]) / wanted[0];
        worst = isfinite(error) ? fmax(worst, error) : INFINITY;
    }
    return worst;
}

/* The largest error of all losses and gradients of the first `steps`. */
static status learn(test *t, const char *name, model_fault fault, int steps, double *worst) {
    learning *l = calloc(1, sizeof *l);
    if (!l) return STATUS_NO_MEMORY;
    char path[300];
    const char *folder = test_folder(t);
    l->cx = context_new();
    snprintf(path, sizeof path, "test/golden/models/%s.json", name);
    TRY(model_case_read(l->cx, path, &l->golden));
    TRY(read_steps(l, name));
    TRY(model_case_folder(l->cx, &l->golden, folder));
    TRY(model_open(l->cx, folder, &l->m));
    TRY(build(l, fault));
    int64_t gradients = 0;
    for (int32_t i = 0; i < l->g->n_marks; i++) gradients += l->g->marks[i].kind == MARK_GRADIENT;
    *worst = gradients == l->n_names ? 0 : INFINITY;
    for (int s = 0; s < steps; s++) {
        set_inputs(l, s);
        model_case_bind(l->p, lengths, fault);
        plan_run(l->p, 0);
        const mark *loss = graph_find_mark(l->g, MARK_LOSS, NO_VALUE);
        double is = *(const float *)plan_tensor(l->p, loss->at)->data;
        *worst = fmax(*worst, fabs(is / l->wanted[s][0] - 1));
        for (int64_t i = 0; i < l->n_names; i++)
            *worst = fmax(*worst, gradient_error(l, l->wanted[s] + 1 + NUMBERS * i, i));
    }
    plan_free(l->p);
    states_free(l->store);
    graph_free(l->g);
    model_close(l->m);
    model_case_free(&l->golden);
    context_free(l->cx);
    free(l);
    return STATUS_OK;
}

static const char *const models[] = {"llama", "gpt2"};

static void steps(test *t) {
    for (int i = 0; i < COUNT_OF(models); i++) {
        double worst;
        CHECK(t, learn(t, models[i], FAULT_NONE, STEPS, &worst) == STATUS_OK, "%s", models[i]);
        CHECK(t, worst <= tolerance, "%s: off by %.2e", models[i], worst);
    }
}

static void faults(test *t) {
    for (int i = 0; i < COUNT_OF(models); i++)
        for (int fault = FAULT_MASK; fault < FAULT_KINDS; fault++) {
            double worst;
            CHECK(t, learn(t, models[i], (model_fault)fault, 1, &worst) == STATUS_OK, "%s",
                  models[i]);
            CHECK(t, !(worst <= 10 * tolerance), "%s with fault %d: off by %.2e", models[i], fault,
                  worst);
        }
}

const test_case suite_model_train[] = {{"steps", steps}, {"faults", faults}, {0}};
