#include "compress/kit/stage.h"
#include "compress/kit/foresee.h"
#include "infer/weights.h"
#include "ops/cross_entropy.h"
#include "ops/matmul.h"
#include "train/score.h"
#include <stdio.h>
#include <string.h>

extern const rewrite_def rewrite_fuse;

enum { NAME_BYTES = 48 };

/* The builder's own struct comes first, so that the substituted layer finds the rest. */
typedef struct cut {
    model_build b;
    value enter, leave;
    int64_t layers_seen;
} cut;

/* Before: keeps what the first layer would read. After: gives out what the last one would have made. */
static value stand_in(model_build *b, model_inputs in, value x, int64_t layer) {
    cut *k = (cut *)b;
    (void)in;
    (void)layer;
    if (!k->layers_seen++) k->leave = x;
    return value_absent(k->enter) ? x : k->enter;
}

static value rows_input(compress *c, graph *g, int64_t tokens) {
    extent dim[2] = {extent_symbol(graph_symbol(g, "tokens", tokens)), extent_of(c->config.hidden)};
    return graph_input(g, "rows", type_of(num_find("f32"), 2, dim));
}

static const num_format *wide_format(void *user, const char *name, int32_t rank) {
    (void)user;
    (void)name;
    (void)rank;
    return num_find("f32");
}

static void mark_inputs(compress *c, graph *g) {
    bool *done = ARENA_NEW(&g->mem, bool, c->n_inputs + 1);
    int32_t n_nodes = g->n_nodes;
    if (!done) return;
    for (int32_t id = 0; id < n_nodes; id++) {
        const node *n = g->nodes[id];
        if (n->op != &op_matmul || value_node(g, n->in[MATMUL_B])->op != &op_state) continue;
        const char *name = value_node(g, n->in[MATMUL_B])->name;
        for (int64_t i = 0; i < c->n_products; i++) {
            const product *p = &c->products[i];
            if (strcmp(p->w->name, name) != 0 || done[p->input]) continue;
            done[p->input] = true;
            value rows = n->in[MATMUL_A];
            graph_mark(g, MARK_OUTPUT, arena_printf(&g->mem, "rows.%d", p->input), rows, NO_VALUE);
        }
    }
}

static value build_layer(compress *c, graph *g, const stage_options *o, value rows,
                         model_inputs in) {
    model_build b = {.g = g, .config = &c->config, .def = c->def, .format = wide_format};
    value y = c->def->layer(&b, in, rows, o->which);
    g->region = 0;
    if (o->capture && graph_status(g) == STATUS_OK) mark_inputs(c, g);
    return y;
}

static value build_around(compress *c, graph *g, const stage_options *o, value rows,
                          model_inputs in) {
    model_def def = *c->def;
    def.layer = stand_in;
    cut k = {.b = {.g = g, .config = &c->config, .def = &def, .format = weights_format, .user = c},
             .enter = rows,
             .leave = NO_VALUE};
    value y = model_hidden(&k.b, in);
    if (o->which == STAGE_BEFORE) return k.leave;
    extent n = extent_symbol(graph_symbol(g, "tokens", o->tokens));
    value targets = graph_input(g, "targets", type_of(num_find("i32"), 1, &n));
    return build_cross_entropy(g, model_logits(&k.b, y), targets, NO_VALUE, 0);
}

static status build(stage *s, const stage_options *o) {
    compress *c = s->c;
    uint32_t facts = 0;
    s->g = graph_new(c->cx);
    if (!s->g) return STATUS_NO_MEMORY;
    model_inputs in = model_build_inputs(s->g, o->tokens, o->sequences);
    value rows = o->which == STAGE_BEFORE ? NO_VALUE : rows_input(c, s->g, o->tokens);
    value y =
        o->which >= 0 ? build_layer(c, s->g, o, rows, in) : build_around(c, s->g, o, rows, in);
    graph_mark(s->g, MARK_OUTPUT, "out", y, NO_VALUE);
    TRY(graph_status(s->g));
    return score_rewrite(&rewrite_fuse, NULL, &facts, &s->g);
}

/* States of the layer in f32. */
static status fill_layer(stage *s) {
    for (int32_t id = 0; id < s->g->n_nodes; id++) {
        const node *n = s->g->nodes[id];
        if (n->op != &op_state || n->tag != TAG_PARAMETER) continue;
        const weight *w = weights_find(s->c, n->name);
        state *item;
        if (!w) FAIL(s->c->cx, STATUS_BUG, "there is no weight '%s'", n->name);
        if (w->t.format == n->out[0].format) {
            TRY(states_borrow(s->store, s->g, n, w->t.data));
            continue;
        }
        TRY(states_bind(s->store, s->g, n, &item));
        weights_values(w, item->t.data);
    }
    return model_fill_tables(&s->c->config, s->store, s->g);
}

status stage_open(compress *c, const stage_options *o, stage *out) {
    *out = (stage){.c = c, .which = o->which, .store = states_new(c->cx)};
    plan_options how = {.isa_limit = cpu_isa_best(),
                        .dry_run = c->foresees,
                        .release = weights_release, /* floats of the layer go as they are packed */
                        .release_user = c->parent};
    status st = out->store ? build(out, o) : STATUS_NO_MEMORY;
    if (st == STATUS_OK && c->foresees) {
        st = plan_new(c->cx, out->g, out->store, c->workers, &how, &out->p);
        if (st != STATUS_OK) stage_close(out);
        return st;
    }
    if (st == STATUS_OK) st = o->which >= 0 ? fill_layer(out) : weights_bind(c, out->g, out->store);
    if (st == STATUS_OK) st = plan_new(c->cx, out->g, out->store, c->workers, &how, &out->p);
    if (st == STATUS_OK) st = plan_load(out->p);
    if (st != STATUS_OK) stage_close(out);
    return st;
}

void stage_close(stage *s) {
    plan_free(s->p);
    graph_free(s->g);
    states_free(s->store);
    *s = (stage){0};
}

double stage_plan_flops(const plan *p) {
    double flops = 0;
    for (int32_t i = p->n_load; i < p->n_steps; i++) {
        const plan_step *at = &p->steps[i];
        cost work = {0};
        if (at->skipped || at->node->op->precision != PRECISION_DOT || !at->node->op->cost)
            continue;
        at->node->op->cost(&at->c, &work);
        flops += work.flops;
    }
    return flops;
}

static void touch(stage *s) {
    for (int32_t id = 0; id < s->g->n_nodes; id++) {
        const node *n = s->g->nodes[id];
        weight *w = n->op == &op_state ? weights_find(s->c, n->name) : NULL;
        if (w) w->held = true;
    }
}

status stage_foresee(stage *s, int64_t tokens, int64_t sequences, double runs) {
    const plan *p = s->p;
    int64_t symbols[MAX_SYMBOLS + 1] = {0};
    for (int32_t i = 1; i <= p->g->n_symbols; i++)
        symbols[i] = strcmp(p->g->symbols[i].name, "tokens") ? sequences : tokens;
    TRY(plan_bind(s->p, symbols));
    touch(s);
    foresee_memory(s->c, foresee_plan_bytes(s->c, p));
    foresee_plan(s->c, WORK_CALIBRATE, p, stage_plan_flops(p), runs);
    return STATUS_OK;
}

status stage_run(stage *s, const stage_batch *b, const float **out) {
    step_batch ids = {b->ids, b->targets, b->positions, b->offsets, b->tokens, b->sequences};
    TRY(score_bind(s->p, &ids));
    value rows = plan_find_input(s->p, "rows");
    if (!value_absent(rows))
        memcpy(plan_tensor(s->p, rows)->data, b->rows,
               (size_t)(b->tokens * s->c->config.hidden) * sizeof *b->rows);
    plan_run(s->p, 0);
    s->c->flops += stage_plan_flops(s->p);
    *out = plan_tensor(s->p, plan_find_output(s->p, "out"))->data;
    return STATUS_OK;
}

const float *stage_rows(const stage *s, int32_t input) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "rows.%d", input);
    return plan_tensor(s->p, plan_find_output(s->p, name))->data;
}
