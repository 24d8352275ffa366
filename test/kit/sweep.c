/* Reverse differentiation for tests. */
#include "kit/sweep.h"
#include "ops/binary.h"

void sweep_clear(sweep *s, graph *g) {
    s->g = g;
    s->without = NULL;
    for (int32_t i = 0; i < SWEEP_NODES; i++)
        for (int32_t o = 0; o < MAX_OUT; o++) s->of[i][o] = NO_VALUE;
}

void sweep_give(sweep *s, value v, value gradient) {
    if (value_absent(v) || value_absent(gradient)) return;
    value *at = &s->of[v.node][v.out];
    *at = value_absent(*at) ? gradient : build_add(s->g, *at, gradient);
}

static void back_through(sweep *s, node *n, const value *dy) {
    uint32_t want = 0;
    for (int32_t i = 0; i < n->n_in && i < MAX_IN; i++)
        if (!value_absent(n->in[i]) && value_type(s->g, n->in[i])->format->kind != NUM_INDEX)
            want |= 1u << i;
    if (n->op->n_in >= 0) want &= ~(n->op->no_grad_in | n->op->index_in | n->op->shape_only);
    if (!want) return;
    value dx[MAX_IN];
    for (int i = 0; i < MAX_IN; i++) dx[i] = NO_VALUE;
    if (n->op->gradient) {
        n->op->gradient(s->g, (value){n->id, 0}, dy, want, dx);
        for (int32_t i = 0; i < n->n_in; i++)
            if (want >> i & 1) sweep_give(s, n->in[i], dx[i]);
    } else if (n->op->expand) {
        value out[MAX_OUT] = {NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE};
        int32_t from = s->g->n_nodes;
        n->op->expand(s->g, (value){n->id, 0}, n->in, out);
        int32_t to = s->g->n_nodes;
        for (int32_t o = 0; o < n->n_out; o++) sweep_give(s, out[o], dy[o]);
        sweep_back(s, from, to);
    } else {
        s->without = n->op->name;
    }
}

void sweep_back(sweep *s, int32_t first, int32_t last) {
    for (int32_t i = last - 1; i >= first && graph_status(s->g) == STATUS_OK; i--) {
        node *n = graph_node(s->g, i);
        bool given = false;
        for (int32_t o = 0; o < n->n_out; o++) given |= !value_absent(s->of[i][o]);
        if (given && !op_is_leaf(n->op)) back_through(s, n, s->of[i]);
        if (s->g->n_nodes > SWEEP_NODES / 2) {
            (void)graph_fail(s->g, STATUS_BUG, "the graph of a gradient check grew too large");
        }
    }
}
