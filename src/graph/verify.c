/* What must hold of a graph.
 *
 * State: each write takes the newest version of its storage; a node that reads an older version
 * must come before the writer, since both live in the same memory. Views are reads of what they
 * look at. */
#include "graph/op.h"
#include <string.h>

static status verify_operands(const graph *g, const node *n) {
    for (int32_t i = 0; i < n->n_in; i++) {
        value v = n->in[i];
        if (value_absent(v)) continue;
        if (v.node >= n->id || v.out < 0 || v.out >= g->nodes[v.node]->n_out)
            return op_fail(g, n, "node %d: operand %d comes from node %d, which is not before it",
                           n->id, i, v.node);
        if (g->nodes[v.node]->phase > n->phase)
            return op_fail(g, n, "node %d of phase %d reads node %d of the later phase %d", n->id,
                           n->phase, v.node, g->nodes[v.node]->phase);
    }
    return STATUS_OK;
}

static status verify_shapes(const graph *g, const node *n) {
    type again[MAX_OUT];
    memset(again, 0, sizeof again);
    TRY(n->op->shape(g, n, again));
    for (int32_t o = 0; o < n->n_out; o++)
        if (!type_same(&again[o], &n->out[o]))
            return op_fail(g, n, "node %d: output %d has another type than its rule says", n->id,
                           o);
    return STATUS_OK;
}

/* The version (counted in writes) of the storage that v was made at: views inherit it. */
static int32_t version_of(const graph *g, const int32_t *made_at, value v) {
    while (g->nodes[v.node]->op->view_of && v.out == 0 && !g->nodes[v.node]->op->writes[0])
        v = g->nodes[v.node]->in[g->nodes[v.node]->op->view_of - 1];
    return made_at[v.node * MAX_OUT + v.out];
}

static status verify_versions(const graph *g, arena *mem) {
    int32_t *newest = ARENA_NEW(mem, int32_t, (int64_t)g->n_nodes * MAX_OUT + 1); /* by storage */
    int32_t *made_at = ARENA_NEW(mem, int32_t, (int64_t)g->n_nodes * MAX_OUT + 1);
    if (!newest || !made_at) return STATUS_NO_MEMORY;
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        for (int32_t i = 0; i < n->n_in; i++) {
            if (!node_reads(n, i)) continue;
            value root = graph_storage(g, n->in[i]);
            if (version_of(g, made_at, n->in[i]) != newest[root.node * MAX_OUT + root.out])
                return op_fail(
                    g, n, "node %d: operand %d is an old version of '%s', which was written before",
                    id, i, g->nodes[root.node]->name ? g->nodes[root.node]->name : "a value");
        }
        for (int32_t o = 0; o < n->n_out; o++) {
            if (!n->op->writes[o]) continue;
            value root = graph_storage(g, (value){id, o});
            made_at[id * MAX_OUT + o] = ++newest[root.node * MAX_OUT + root.out];
        }
    }
    return STATUS_OK;
}

status graph_verify(const graph *g) {
    TRY(g->st);
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        if (n->id != id) return op_fail(g, n, "node %d carries the number %d", id, n->id);
        TRY(verify_operands(g, n));
        if (!op_is_leaf(n->op)) TRY(verify_shapes(g, n));
    }
    for (int32_t i = 0; i < g->n_marks; i++)
        if (g->marks[i].at.node >= g->n_nodes || g->marks[i].of.node >= g->n_nodes)
            return context_fail(g->cx, STATUS_BUG, "mark %d is on no node", i);
    arena scratch = arena_make(g->cx);
    status st = verify_versions(g, &scratch);
    arena_free(&scratch);
    return st;
}
