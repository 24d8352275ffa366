#include "train/score.h"
#include "ops/cast.h"
#include "ops/cross_entropy.h"
#include "rewrite/precision.h"
#include "rewrite/w8a8.h"
#include <string.h>

extern const rewrite_def rewrite_fuse, rewrite_act_int8;

score_inputs score_build_inputs(graph *g, int64_t tokens, int64_t sequences) {
    int32_t rows = graph_symbol(g, "tokens", tokens);
    int32_t parts = graph_symbol(g, "sequences", sequences);
    const num_format *i32 = num_find("i32");
    extent n = extent_symbol(rows), ends = extent_affine(parts, 1, 1);
    return (score_inputs){graph_input(g, "ids", type_of(i32, 1, &n)),
                          graph_input(g, "targets", type_of(i32, 1, &n)),
                          graph_input(g, "positions", type_of(i32, 1, &n)),
                          graph_input(g, "offsets", type_of(i32, 1, &ends))};
}

status score_rewrite(const rewrite_def *def, const void *options, uint32_t *facts, graph **g) {
    graph *next;
    TRY_NOTE((*g)->cx, rewrite_run(def, *g, options, facts, &next), "rewrite '%s'", def->name);
    graph_free(*g);
    *g = next;
    return STATUS_OK;
}

status score_narrow(const num_format *precision, uint32_t *facts, graph **g) {
    if (!precision || !strcmp(precision->name, "f32")) return STATUS_OK;
    return score_rewrite(&rewrite_precision, &(precision_options){precision}, facts, g);
}

static void fill(const plan *p, const char *name, const int32_t *from, int64_t n) {
    value v = plan_find_input(p, name);
    if (!value_absent(v)) memcpy(plan_tensor(p, v)->data, from, (size_t)n * sizeof *from);
}

status score_bind(plan *p, const step_batch *b) {
    int64_t symbols[MAX_SYMBOLS + 1] = {0};
    for (int32_t i = 1; i <= p->g->n_symbols; i++) {
        bool rows = !strcmp(p->g->symbols[i].name, "tokens");
        symbols[i] = rows ? b->tokens : b->sequences;
    }
    TRY(plan_bind(p, symbols));
    fill(p, "ids", b->ids, b->tokens);
    fill(p, "targets", b->targets, b->tokens);
    fill(p, "positions", b->positions, b->tokens);
    fill(p, "offsets", b->offsets, b->sequences + 1);
    return STATUS_OK;
}

static status build(score *s, const step_model *model, const step_options *o) {
    uint32_t facts = 0;
    s->g = graph_new(s->cx);
    if (!s->g) return STATUS_NO_MEMORY;
    score_inputs in = score_build_inputs(s->g, o->tokens, o->sequences);
    value logits = model->logits(model->user, s->g, in.ids, in.positions, in.offsets, 0);
    graph_mark(s->g, MARK_OUTPUT, "each",
               build_cross_entropy(s->g, logits, in.targets, NO_VALUE, 0), NO_VALUE);
    if (o->keeps_logits && !value_absent(logits)) {
        const num_format *f32 = num_find("f32");
        bool wide = value_type(s->g, logits)->format == f32;
        graph_mark(s->g, MARK_OUTPUT, "logits", wide ? logits : build_cast(s->g, logits, f32),
                   NO_VALUE);
    }
    TRY(graph_status(s->g));
    TRY(score_narrow(o->precision, &facts, &s->g));
    if (o->w8a8) TRY(score_rewrite(&rewrite_w8a8, &(w8a8_options){o->w8a8}, &facts, &s->g));
    if (o->act_int8) TRY(score_rewrite(&rewrite_act_int8, NULL, &facts, &s->g));
    return score_rewrite(&rewrite_fuse, NULL, &facts, &s->g);
}

status score_new(context *cx, const step_model *model, const step_options *o, states *store,
                 pool *workers, score **out) {
    *out = NULL;
    score *s = context_zalloc(cx, sizeof *s);
    if (!s) return STATUS_NO_MEMORY;
    s->cx = cx;
    plan_options how = {.isa_limit = cpu_isa_best(), .dry_run = o->dry_run};
    status st = build(s, model, o);
    if (st == STATUS_OK && model->fill && !o->dry_run) st = model->fill(model->user, store, s->g);
    if (st == STATUS_OK) st = plan_new(cx, s->g, store, workers, &how, &s->p);
    if (st != STATUS_OK)
        score_free(s);
    else
        *out = s;
    return st;
}

void score_free(score *s) {
    if (!s) return;
    plan_free(s->p);
    graph_free(s->g);
    context_release(s->cx, s);
}

status score_run(score *s, const step_batch *b, bool reload, const float **each) {
    if (reload || !s->p->loaded) TRY(plan_load(s->p));
    TRY(score_bind(s->p, b));
    plan_run(s->p, 0);
    *each = plan_tensor(s->p, plan_find_output(s->p, "each"))->data;
    return STATUS_OK;
}

const float *score_logits(const score *s) {
    return plan_tensor(s->p, plan_find_output(s->p, "logits"))->data;
}
