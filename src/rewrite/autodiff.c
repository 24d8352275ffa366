/* Reverse-mode differentiation: behind the forward graph it adds, from the loss back, the gradient
 * rule of each op on the way, and marks the gradient of each state asked for.
 *
 *   adjoint[v] = sum over users u of v, in descending order of u, of (d loss / d u) * (d u / d v)
 *
 * Only values between the wanted states and the loss get adjoints. An op on that path without a
 * derivative is refused by name; nothing is silently cut. */
#include "rewrite/autodiff.h"
#include "ops/binary.h"
#include "ops/fill.h"
#include <string.h>

typedef struct adjoints {
    graph *g;
    value *of;    /* by node * MAX_OUT + output */
    bool *needed; /* nodes that depend on what is asked for */
    int32_t n;    /* nodes of the forward graph */
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

static void find_needed(adjoints *a, const autodiff_options *options) {
    for (int32_t id = 0; id < a->n; id++) {
        const node *n = a->g->nodes[id];
        a->needed[id] = is_wanted(n, options);
        for (int32_t i = 0; i < n->n_in; i++)
            if (!value_absent(n->in[i]) && passes_gradient(n->op, i) && a->needed[n->in[i].node])
                a->needed[id] = true;
    }
}

static void accumulate(adjoints *a, value v, value gradient) {
    value *sum = &a->of[v.node * MAX_OUT + v.out];
    *sum = value_absent(*sum) ? gradient : build_add(a->g, *sum, gradient);
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
    if (n->op->no_grad || !n->op->gradient) {
        (void)graph_fail(a->g, STATUS_UNSUPPORTED,
                         "the loss goes through '%s' (node %d%s%s), which has no derivative",
                         n->op->name, id, n->name ? ", " : "", n->name ? n->name : "");
        return;
    }
    a->g->region = n->region;
    n->op->gradient(a->g, (value){id, 0}, dy, want, dx);
    for (int32_t i = 0; i < n->n_in; i++)
        if ((want >> i & 1) && !value_absent(dx[i])) accumulate(a, n->in[i], dx[i]);
}

static status check_loss(const graph *g, const mark *loss) {
    if (!loss)
        return context_fail(g->cx, STATUS_BAD_ARGUMENT,
                            "nothing to differentiate: the graph marks no loss");
    const type *t = value_type(g, loss->at);
    bool scalar = true;
    for (int32_t d = 0; d < t->rank; d++) scalar &= extent_is(t->dim[d], 1);
    char is[160];
    if (!scalar || t->format->kind != NUM_FLOAT)
        return context_fail(g->cx, STATUS_BAD_ARGUMENT, "a loss is one number, but this one is %s",
                            type_print(g, t, is, sizeof is));
    return STATUS_OK;
}

static status differentiate(rewriting *r) {
    graph *g = r->to;
    const mark *loss = graph_find_mark(g, MARK_LOSS, NO_VALUE);
    TRY(check_loss(g, loss));
    value at = loss->at;
    arena mem = arena_make(g->cx);
    adjoints a = {.g = g, .n = g->n_nodes};
    a.of = ARENA_NEW(&mem, value, (int64_t)a.n * MAX_OUT);
    a.needed = ARENA_NEW(&mem, bool, a.n);
    status st = a.of && a.needed ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        for (int32_t i = 0; i < a.n * MAX_OUT; i++) a.of[i] = NO_VALUE;
        find_needed(&a, r->options);
        g->phase = PHASE_BACKWARD;
        g->tag = TAG_GRADIENT;
        a.of[at.node * MAX_OUT + at.out] = build_fill(g, at, 1.0);
        for (int32_t id = at.node; id >= 0 && graph_status(g) == STATUS_OK; id--)
            through_node(&a, id);
        g->region = 0;
        for (int32_t id = 0; id < a.n && graph_status(g) == STATUS_OK; id++)
            if (is_wanted(g->nodes[id], r->options) && !value_absent(a.of[id * MAX_OUT]))
                graph_mark(g, MARK_GRADIENT, g->nodes[id]->name, a.of[id * MAX_OUT],
                           (value){id, 0});
        st = graph_status(g);
    }
    arena_free(&mem);
    return st;
}

const rewrite_def rewrite_autodiff = {
    .name = "autodiff",
    .help = "adds the gradient of the marked loss by every parameter",
    .forbids = GRAPH_DIFFERENTIATED | GRAPH_FUSED,
    .ensures = GRAPH_DIFFERENTIATED,
    .finish = differentiate,
};
