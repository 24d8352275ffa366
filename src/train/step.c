#include "train/step.h"
#include "base/rng.h"
#include "train/score.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

void step_free(step *s) {
    if (!s) return;
    plan_free(s->learn);
    plan_free(s->update);
    graph_free(s->learn_graph);
    graph_free(s->update_graph);
    arena_free(&s->mem);
    context_release(s->cx, s);
}

static status make(step *s) {
    const step_model *model = &s->model;
    plan_options how = {.isa_limit = cpu_isa_best(), .dry_run = s->options.dry_run};
    TRY(step_build(s));
    /* The updating graph first: what it writes must be the store's own memory. */
    bool fills = model->fill && !s->options.dry_run;
    if (fills && s->update_graph) TRY(model->fill(model->user, s->store, s->update_graph));
    if (fills) TRY(model->fill(model->user, s->store, s->learn_graph));
    TRY(plan_new(s->cx, s->learn_graph, s->store, s->workers, &how, &s->learn));
    if (!s->update_graph) return STATUS_OK;
    TRY(plan_new(s->cx, s->update_graph, s->store, s->workers, &how, &s->update));
    return plan_bind(s->update, (int64_t[MAX_SYMBOLS]){0});
}

status step_new(context *cx, const step_model *model, const step_options *o, states *store,
                pool *workers, step **out) {
    *out = NULL;
    step *s = context_zalloc(cx, sizeof *s);
    if (!s) return STATUS_NO_MEMORY;
    *s = (step){.cx = cx,
                .model = *model,
                .options = *o,
                .store = store,
                .workers = workers,
                .mem = arena_make(cx)};
    status st = make(s);
    if (st != STATUS_OK)
        step_free(s);
    else
        *out = s;
    return st;
}

static float *scalar(const plan *p, const char *name) {
    value v = plan_find_input(p, name);
    if (value_absent(v)) v = plan_find_output(p, name);
    return value_absent(v) ? NULL : plan_tensor(p, v)->data;
}

static uint64_t seed_of(const step *s, int64_t number, int64_t part) {
    rng_block b = rng_at(s->options.seed, (uint64_t)number, (uint64_t)part);
    return (uint64_t)b.word[1] << 32 | b.word[0];
}

static void clear_sums(const step *s) {
    for (int32_t i = 0; i < states_count(s->store); i++) {
        const state *at = states_at(s->store, i);
        if (at->tag == TAG_GRADIENT) memset(at->t.data, 0, (size_t)at->size_bytes);
    }
}

static int64_t count_targets(const step_batch *batches, int64_t n) {
    int64_t count = 0;
    for (int64_t b = 0; b < n; b++)
        for (int64_t i = 0; i < batches[b].tokens; i++) count += batches[b].targets[i] >= 0;
    return count;
}

static void set_numbers(const plan *p, double lr, int64_t number, int64_t tokens) {
    float *rate = scalar(p, "lr");
    value step_input = plan_find_input(p, "step");
    if (rate) *rate = (float)lr;
    if (!value_absent(step_input)) *(int32_t *)plan_tensor(p, step_input)->data = (int32_t)number;
    *scalar(p, "per_token") = 1 / (float)tokens;
}

status step_run(step *s, const step_batch *batches, int64_t n, double lr, int64_t number,
                step_result *out) {
    plan *last = s->update ? s->update : s->learn;
    double loss = 0;
    *out = (step_result){.tokens = count_targets(batches, n)};
    if (!out->tokens)
        FAIL(s->cx, STATUS_BAD_DATA, "step %lld has no token to predict", (long long)number);
    if (n != 1 && !s->update)
        FAIL(s->cx, STATUS_BUG, "a step that does not gather takes one micro-batch");
    if (s->update) clear_sums(s);
    set_numbers(last, lr, number, out->tokens);
    /* A graph that only gathers takes weights for constants and packs them: once after each update. */
    if (s->update || !s->learn->loaded) TRY(plan_load(s->learn));
    for (int64_t b = 0; b < n; b++) {
        TRY(score_bind(s->learn, &batches[b]));
        plan_run(s->learn, seed_of(s, number, b));
        loss += (double)*scalar(s->learn, "nll");
    }
    if (s->update) {
        if (s->model.between) s->model.between(s->model.user, s->store);
        if (!s->update->loaded) TRY(plan_load(s->update));
        plan_run(s->update, seed_of(s, number, n));
    }
    out->loss = loss / (double)out->tokens;
    out->norm = (double)*scalar(last, "norm");
    return STATUS_OK;
}

static double square_of(const step *s, int32_t i) {
    const plan *last = s->update ? s->update : s->learn;
    return (double)*scalar(last, s->squares[i]);
}

const char *step_blame(const step *s, int64_t *count) {
    const char *found = NULL;
    *count = 0;
    for (int32_t i = 0; i < s->n_parameters; i++) {
        if (isfinite(square_of(s, i))) continue;
        found = s->names[i];
        ++*count;
    }
    return found;
}

const char *step_largest(const step *s) {
    int32_t most = 0;
    for (int32_t i = 1; i < s->n_parameters; i++)
        if (square_of(s, i) > square_of(s, most)) most = i;
    return s->names[most];
}

double step_flops(const step *s) {
    double flops = 0;
    for (int32_t i = s->learn->n_load; i < s->learn->n_steps; i++) {
        const plan_step *at = &s->learn->steps[i];
        cost work = {0};
        if (at->skipped || at->node->pinned || at->node->op->precision != PRECISION_DOT ||
            at->node->phase == PHASE_UPDATE || !at->node->op->cost)
            continue;
        at->node->op->cost(&at->c, &work);
        flops += work.flops;
    }
    return flops;
}

static int64_t plan_bytes(const plan *p) {
    return p ? p->planned_bytes + p->packed_bytes + p->scratch_bytes : 0;
}

int64_t step_planned_bytes(const step *s) {
    return plan_bytes(s->learn) + plan_bytes(s->update);
}

int64_t step_state_bytes(const step *s) {
    const graph *g[2] = {s->learn_graph, s->update_graph};
    int64_t bytes = 0;
    for (int k = 0; k < 2 && g[k]; k++)
        for (int32_t id = 0; id < g[k]->n_nodes; id++) {
            const node *n = g[k]->nodes[id];
            bool counted = k == 1 && !value_absent(graph_find(g[0], n->name ? n->name : ""));
            if (n->op == &op_state && !counted) bytes += type_bound_bytes(g[k], &n->out[0]);
        }
    return bytes;
}

static state *average_of(const step *s, int32_t i) {
    char name[320];
    snprintf(name, sizeof name, "%s.ema", s->names[i]);
    return states_find(s->store, name);
}

void step_average_begin(const step *s) {
    for (int32_t i = 0; i < s->n_parameters && s->options.ema; i++) {
        const state *w = states_find(s->store, s->names[i]), *average = average_of(s, i);
        memcpy(average->t.data, w->t.data, (size_t)w->size_bytes);
    }
}

void step_average_exchange(const step *s) {
    for (int32_t i = 0; i < s->n_parameters && s->options.ema; i++) {
        char *a = states_find(s->store, s->names[i])->t.data, *b = average_of(s, i)->t.data,
             c[4096];
        int64_t left = average_of(s, i)->size_bytes;
        for (int64_t n; left > 0; left -= n, a += n, b += n) {
            n = MIN_OF(left, (int64_t)sizeof c);
            memcpy(c, a, (size_t)n);
            memcpy(a, b, (size_t)n);
            memcpy(b, c, (size_t)n);
        }
    }
}
