/* The graphs of a step. */
#include "ops/binary.h"
#include "ops/cross_entropy.h"
#include "ops/fill.h"
#include "ops/optimiser.h"
#include "ops/reduce.h"
#include "ops/scale.h"
#include "ops/unary.h"
#include "rewrite/autodiff.h"
#include "train/score.h"
#include "train/step.h"
#include <stdio.h>
#include <string.h>

extern const rewrite_def rewrite_fuse;

/* Which parameters are hidden matrices: rank 2, not looked up by ids, and without the vocabulary as an axis. */
typedef struct hidden_set {
    const char **names;
    int32_t n;
} hidden_set;

static bool is_table(const graph *g, int32_t state_id) {
    for (int32_t id = state_id + 1; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        for (int32_t i = 0; i < n->n_in && n->op->n_in >= 0; i++)
            if (n->in[i].node == state_id && n->op->index_in) return true;
    }
    return false;
}

static status find_hidden(step *s, const graph *g, extent vocabulary, hidden_set *out) {
    out->names = ARENA_NEW(&s->mem, const char *, g->n_nodes + 1);
    if (!out->names) return STATUS_NO_MEMORY;
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        if (n->op != &op_state || n->tag != TAG_PARAMETER || n->out[0].rank != 2) continue;
        bool edge = extent_same(n->out[0].dim[0], vocabulary) ||
                    extent_same(n->out[0].dim[1], vocabulary) || is_table(g, id);
        if (!edge && !(out->names[out->n++] = arena_strdup(&s->mem, n->name)))
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static bool is_hidden(const hidden_set *h, const char *name) {
    for (int32_t i = 0; i < h->n; i++)
        if (!strcmp(h->names[i], name)) return true;
    return false;
}

static status build_loss(step *s, graph *g, hidden_set *hidden) {
    const step_options *o = &s->options;
    const step_model *model = &s->model;
    score_inputs in = score_build_inputs(g, o->tokens, o->sequences);
    value logits = model->logits(model->user, g, in.ids, in.positions, in.offsets, o->dropout);
    TRY(graph_status(g));
    const type *t = value_type(g, logits);
    TRY(find_hidden(s, g, t->dim[t->rank - 1], hidden));
    value each = build_cross_entropy(g, logits, in.targets, NO_VALUE, o->z);
    value plain = each;
    if (o->z) {
        value lse = {each.node, 1}, asked = build_step(g, build_abs(g, each));
        value extra = build_scale(g, build_square(g, lse), -o->z, 0);
        plain = build_add(g, each, build_mul(g, asked, extra));
    }
    if (model->loss) each = model->loss(model->user, g, logits, each);
    graph_mark(g, MARK_LOSS, "loss", build_sum(g, each, 1, true), NO_VALUE);
    graph_mark(g, MARK_OUTPUT, "nll", build_sum(g, plain, 1, true), NO_VALUE);
    return graph_status(g);
}

/* 1 / tokens and clipping, from the gradients' sums of squares. */
static value build_scale_factor(step *s, graph *g, value total) {
    value per_token = graph_input(g, "per_token", type_of(num_find("f32"), 0, NULL));
    value norm = build_mul(g, build_sqrt(g, total), per_token);
    graph_mark(g, MARK_OUTPUT, "norm", norm, NO_VALUE);
    double clip = s->options.clip;
    if (!clip) return per_token;
    value most = build_max(g, build_scale(g, norm, 1, 1e-6), build_fill(g, norm, clip));
    return build_scale(g, build_div(g, per_token, most), clip, 0);
}

static value build_total(graph *g, const mark *gradients, const char *const *square_names,
                         int32_t n) {
    value total = NO_VALUE;
    for (int32_t i = 0; i < n; i++) {
        int64_t all = ((int64_t)1 << value_type(g, gradients[i].at)->rank) - 1;
        value square = build_sum_squares(g, gradients[i].at, all, false);
        graph_mark(g, MARK_OUTPUT, square_names[i], square, NO_VALUE);
        total = value_absent(total) ? square : build_add(g, total, square);
    }
    return total;
}

static void build_average(step *s, graph *g, const char *name, value w, value w_next) {
    update u = {.g = g, .w = w};
    double keep = s->options.ema;
    value ema = update_moment(&u, "ema");
    value moved = build_add(g, build_scale(g, ema, keep, 0), build_scale(g, w_next, 1 - keep, 0));
    (void)graph_name(g, update_mark(&u, build_assign(g, ema, moved), ema), "%s", name);
}

static status build_update(step *s, graph *g, const mark *gradients, int32_t n,
                           const hidden_set *hidden) {
    const num_format *f32 = num_find("f32");
    g->phase = PHASE_UPDATE;
    g->tag = TAG_SCRATCH;
    update u = {.g = g, .options = &s->options.optimiser_options};
    u.lr = graph_input(g, "lr", type_of(f32, 0, NULL));
    u.step = graph_input(g, "step", type_of(num_find("i32"), 0, NULL));
    u.scale = build_scale_factor(s, g, build_total(g, gradients, s->squares, n));
    for (int32_t i = 0; i < n && graph_status(g) == STATUS_OK; i++) {
        u.w = gradients[i].of;
        u.gradient = gradients[i].at;
        u.hidden = is_hidden(hidden, gradients[i].name);
        value next = s->options.optimiser->next(&u);
        if (s->options.ema) build_average(s, g, gradients[i].name, u.w, next);
    }
    return graph_status(g);
}

/* Takes the marks of gradients, in the order of their parameters, out of a differentiated graph: a marked value would
 * keep its memory to the end of the step. */
static status take_gradients(step *s, graph *g, mark **out, int32_t *n) {
    int32_t kept = 0;
    *out = ARENA_NEW(&s->mem, mark, g->n_marks + 1);
    s->names = ARENA_NEW(&s->mem, const char *, g->n_marks + 1);
    s->squares = ARENA_NEW(&s->mem, const char *, g->n_marks + 1);
    *n = 0;
    if (!*out || !s->names || !s->squares) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < g->n_marks; i++) {
        mark m = g->marks[i];
        if (m.kind != MARK_GRADIENT) {
            g->marks[kept++] = m;
            continue;
        }
        s->names[*n] = arena_strdup(&s->mem, m.name);
        s->squares[*n] = arena_printf(&s->mem, "square %s", m.name);
        if (!s->names[*n] || !s->squares[*n]) return STATUS_NO_MEMORY;
        (*out)[(*n)++] = m;
    }
    g->n_marks = kept;
    s->n_parameters = *n;
    if (!*n) FAIL(s->cx, STATUS_BAD_ARGUMENT, "the model has no parameters to train");
    return STATUS_OK;
}

static value gradient_sum(graph *g, const mark *m, type t) {
    t.format = num_find("f32");
    char name[320];
    snprintf(name, sizeof name, "%s.grad", m->name);
    return graph_state(g, name, t, TAG_GRADIENT);
}

/* Adds each gradient to its state; then the graph that updates from the states. */
static status build_gathering(step *s, graph *g, const mark *gradients, int32_t n,
                              const hidden_set *hidden) {
    s->update_graph = graph_new(s->cx);
    mark *sums = ARENA_NEW(&s->mem, mark, n);
    if (!s->update_graph || !sums) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < n; i++) {
        const node *w = value_node(g, gradients[i].of);
        value sum = gradient_sum(g, &gradients[i], w->out[0]);
        value next = build_assign(g, sum, build_add(g, sum, gradients[i].at));
        graph_mark(g, MARK_NEXT, NULL, next, sum);
        sums[i] = (mark){.kind = MARK_GRADIENT, .name = s->names[i]};
        sums[i].of = graph_state(s->update_graph, w->name, w->out[0], TAG_PARAMETER);
        sums[i].at = gradient_sum(s->update_graph, &sums[i], w->out[0]);
    }
    TRY(graph_status(g));
    return build_update(s, s->update_graph, sums, n, hidden);
}

static status differentiate(step *s, uint32_t *facts) {
    const graph *g = s->learn_graph;
    const char **names = ARENA_NEW(&s->mem, const char *, g->n_nodes + 1);
    autodiff_options o = {names, 0};
    if (!s->model.learns) return score_rewrite(&rewrite_autodiff, NULL, facts, &s->learn_graph);
    if (!names) return STATUS_NO_MEMORY;
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        if (n->op != &op_state || n->tag != TAG_PARAMETER) continue;
        if (!s->model.learns(s->model.user, n->name)) continue;
        if (!(names[o.n_wrt++] = arena_strdup(&s->mem, n->name))) return STATUS_NO_MEMORY;
    }
    return score_rewrite(&rewrite_autodiff, &o, facts, &s->learn_graph);
}

status step_build(step *s) {
    uint32_t facts = 0;
    hidden_set hidden = {0};
    mark *gradients;
    int32_t n;
    s->learn_graph = graph_new(s->cx);
    if (!s->learn_graph) return STATUS_NO_MEMORY;
    TRY(build_loss(s, s->learn_graph, &hidden));
    TRY(score_narrow(s->options.precision, &facts, &s->learn_graph));
    TRY(differentiate(s, &facts));
    TRY(score_rewrite(&rewrite_fuse, NULL, &facts, &s->learn_graph));
    recompute_options again = {s->options.recompute};
    if (again.kind != RECOMPUTE_NONE)
        TRY(score_rewrite(&rewrite_recompute, &again, &facts, &s->learn_graph));
    TRY(take_gradients(s, s->learn_graph, &gradients, &n));
    s->learn_graph->phase = PHASE_UPDATE;
    return s->options.gathers ? build_gathering(s, s->learn_graph, gradients, n, &hidden)
                              : build_update(s, s->learn_graph, gradients, n, &hidden);
}
