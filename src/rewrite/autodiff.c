/* Reverse-mode differentiation: behind the forward graph it adds, from the loss back, the gradient
 * rule of each op on the way, and marks the gradient of each state asked for.
 *
 *   adjoint[v] = sum over users u of v, in descending order of u, of (d loss / d u) * (d u / d v)
 *
 * Only values between the wanted states and the loss get adjoints. An op that has no gradient of its own goes through
 * its expansion into plainer ops. One on that path without a derivative is refused by name; nothing is silently cut.
 *
 * A graph can be differentiated again: by a newer loss, built (in the backward phase) from the gradients that are
 * marked. The new gradients then take the place of the old ones under their marks. */
#include "rewrite/autodiff.h"
#include "ops/binary.h"
#include "ops/fill.h"
#include <string.h>

typedef struct adjoints {
    graph *g;
    arena *mem;
    const autodiff_options *options;
    value *of;      /* by node * MAX_OUT + output */
    bool *needed;   /* nodes that depend on what is asked for */
    int32_t n, cap; /* nodes that have entries: those of the forward graph and of expansions */
} adjoints;

static bool is_wanted(const node *n, const autodiff_options *options) {
    if (!op_is_leaf(n->op) || n->out[0].format->kind == NUM_INDEX) return false;
    if (!options || !options->wrt) return n->op == &op_state && n->tag == TAG_PARAMETER;
    for (int32_t i = 0; i < options->n_wrt; i++)
        if (!strcmp(options->wrt[i], n->name)) return true;
    return false;
}

static bool passes_gradient(const op_def *op, int32_t operand) {
    uint32_t bit = 1u << operand;
    return op->n_in < 0 || !((op->index_in | op->no_grad_in | op->shape_only) & bit);
}

static void find_needed(adjoints *a, int32_t from) {
    for (int32_t id = from; id < a->n; id++) {
        const node *n = a->g->nodes[id];
        a->needed[id] = is_wanted(n, a->options);
        for (int32_t i = 0; i < n->n_in; i++)
            if (!value_absent(n->in[i]) && passes_gradient(n->op, i) && a->needed[n->in[i].node])
                a->needed[id] = true;
    }
}

/* Entries for all nodes that there are now. */
static status cover(adjoints *a) {
    int32_t n = a->g->n_nodes, before = a->n;
    if (n > a->cap) {
        int32_t cap = MAX_OF(n, 2 * a->cap);
        value *of = ARENA_NEW(a->mem, value, (int64_t)cap * MAX_OUT);
        bool *needed = ARENA_NEW(a->mem, bool, cap);
        if (!of || !needed) return STATUS_NO_MEMORY;
        for (int32_t i = 0; i < cap * MAX_OUT; i++)
            of[i] = i < before * MAX_OUT ? a->of[i] : NO_VALUE;
        if (before) memcpy(needed, a->needed, (size_t)before * sizeof *needed);
        a->of = of;
        a->needed = needed;
        a->cap = cap;
    }
    a->n = n;
    find_needed(a, before);
    return STATUS_OK;
}

static void accumulate(adjoints *a, value v, value gradient) {
    value *sum = &a->of[v.node * MAX_OUT + v.out];
    *sum = value_absent(*sum) ? gradient : build_add(a->g, *sum, gradient);
}

static void through_nodes(adjoints *a, int32_t first, int32_t last);

/* The node again in plainer ops, and back through those. */
static void through_expansion(adjoints *a, const node *n, const value *dy) {
    value out[MAX_OUT] = {NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE};
    int32_t first = a->g->n_nodes;
    n->op->expand(a->g, (value){n->id, 0}, n->in, out);
    int32_t last = a->g->n_nodes;
    if (cover(a) != STATUS_OK) {
        (void)graph_fail(a->g, STATUS_NO_MEMORY, "the expansion of %s", n->op->name);
        return;
    }
    for (int32_t o = 0; o < n->n_out; o++)
        if (!value_absent(dy[o]) && !value_absent(out[o])) accumulate(a, out[o], dy[o]);
    through_nodes(a, first, last);
}

/* Adds the gradient rule of one node, if the loss depends on it and anything asked for lies below
 * it. */
static void through_node(adjoints *a, int32_t id) {
    node *n = a->g->nodes[id];
    if (!a->needed[id] || op_is_leaf(n->op)) return;
    value dy[MAX_OUT], dx[MAX_IN];
    bool reached = false;
    for (int32_t o = 0; o < n->n_out; o++) {
        dy[o] = a->of[id * MAX_OUT + o];
        reached |= !value_absent(dy[o]);
    }
    if (!reached) return;
    uint32_t want = 0;
    for (int32_t i = 0; i < n->n_in; i++) {
        dx[i] = NO_VALUE;
        if (!value_absent(n->in[i]) && passes_gradient(n->op, i) && a->needed[n->in[i].node])
            want |= 1u << i;
    }
    if (!want) return;
    a->g->region = n->region;
    if (n->op->no_grad || (!n->op->gradient && !n->op->expand)) {
        (void)graph_fail(a->g, STATUS_UNSUPPORTED,
                         "the loss goes through '%s' (node %d%s%s), which has no derivative",
                         n->op->name, id, n->name ? ", " : "", n->name ? n->name : "");
        return;
    }
    if (!n->op->gradient) {
        through_expansion(a, n, dy);
        return;
    }
    n->op->gradient(a->g, (value){id, 0}, dy, want, dx);
    for (int32_t i = 0; i < n->n_in; i++)
        if ((want >> i & 1) && !value_absent(dx[i])) accumulate(a, n->in[i], dx[i]);
}

static void through_nodes(adjoints *a, int32_t first, int32_t last) {
    for (int32_t id = last - 1; id >= first && graph_status(a->g) == STATUS_OK; id--)
        through_node(a, id);
}

/* The newest loss; it must be newer than the gradients that are marked. */
static status find_loss(const graph *g, value *at) {
    const mark *loss = NULL, *gradient = NULL;
    for (int32_t i = 0; i < g->n_marks; i++) {
        if (g->marks[i].kind == MARK_LOSS) loss = &g->marks[i];
        if (g->marks[i].kind == MARK_GRADIENT) gradient = &g->marks[i];
    }
    if (!loss)
        return context_fail(g->cx, STATUS_BAD_ARGUMENT,
                            "nothing to differentiate: the graph marks no loss");
    if (gradient && gradient > loss)
        return context_fail(g->cx, STATUS_BAD_ARGUMENT,
                            "loss '%s' is differentiated already; mark another one, built from "
                            "its gradients, to differentiate again",
                            loss->name ? loss->name : "");
    const type *t = value_type(g, loss->at);
    bool scalar = true;
    for (int32_t d = 0; d < t->rank; d++) scalar &= extent_is(t->dim[d], 1);
    char is[160];
    if (!scalar || t->format->kind != NUM_FLOAT)
        return context_fail(g->cx, STATUS_BAD_ARGUMENT, "a loss is one number, but this one is %s",
                            type_print(g, t, is, sizeof is));
    *at = loss->at;
    return STATUS_OK;
}

/* Drops the marks of gradients by what is wanted this time. */
static void drop_gradients(graph *g, const autodiff_options *options) {
    int32_t n = 0;
    for (int32_t i = 0; i < g->n_marks; i++) {
        const mark *m = &g->marks[i];
        if (m->kind != MARK_GRADIENT || !is_wanted(value_node(g, m->of), options))
            g->marks[n++] = *m;
    }
    g->n_marks = n;
}

static status differentiate(rewriting *r) {
    graph *g = r->to;
    value at;
    TRY(find_loss(g, &at));
    adjoints a = {.g = g, .mem = r->mem, .options = r->options};
    int32_t n_forward = g->n_nodes;
    TRY(cover(&a));
    g->phase = PHASE_BACKWARD;
    g->tag = TAG_GRADIENT;
    a.of[at.node * MAX_OUT + at.out] = build_fill(g, at, 1.0);
    through_nodes(&a, 0, at.node + 1);
    g->region = 0;
    drop_gradients(g, r->options);
    for (int32_t id = 0; id < n_forward && graph_status(g) == STATUS_OK; id++)
        if (is_wanted(g->nodes[id], r->options) && !value_absent(a.of[id * MAX_OUT]))
            graph_mark(g, MARK_GRADIENT, g->nodes[id]->name, a.of[id * MAX_OUT], (value){id, 0});
    return graph_status(g);
}

const rewrite_def rewrite_autodiff = {
    .name = "autodiff",
    .help = "adds the gradient of the marked loss by every parameter",
    .forbids = GRAPH_FUSED,
    .ensures = GRAPH_DIFFERENTIATED,
    .finish = differentiate,
};
