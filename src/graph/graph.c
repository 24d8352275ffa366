/* Building: nodes are appended, operands checked, shapes derived. */
#include "graph/op.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

graph *graph_new(context *cx) {
    graph *g = context_zalloc(cx, sizeof *g);
    if (!g) return NULL;
    g->cx = cx;
    g->mem = arena_make(cx);
    g->phase = PHASE_FORWARD;
    g->tag = TAG_ACTIVATION;
    return g;
}

void graph_free(graph *g) {
    if (!g) return;
    context *cx = g->cx;
    arena_free(&g->mem);
    context_release(cx, g);
}

status graph_status(const graph *g) {
    return g->st;
}

value graph_fail(graph *g, status code, const char *fmt, ...) {
    if (g->st != STATUS_OK) return NO_VALUE;
    va_list args;
    va_start(args, fmt);
    g->st = context_vfail(g->cx, code, fmt, args);
    va_end(args);
    return NO_VALUE;
}

static value out_of_memory(graph *g) {
    if (g->st == STATUS_OK) g->st = STATUS_NO_MEMORY;
    return NO_VALUE;
}

int32_t graph_symbol(graph *g, const char *name, int64_t bound) {
    for (int32_t i = 1; i <= g->n_symbols; i++) {
        if (strcmp(g->symbols[i].name, name)) continue;
        if (g->symbols[i].bound == bound) return i;
        (void)graph_fail(g, STATUS_BAD_ARGUMENT,
                         "symbol '%s' is bounded by %lld and cannot be given the bound %lld", name,
                         (long long)g->symbols[i].bound, (long long)bound);
        return 0;
    }
    if (g->n_symbols + 1 >= MAX_SYMBOLS || bound < 1) {
        (void)graph_fail(g, STATUS_BAD_ARGUMENT,
                         bound < 1 ? "symbol '%s': a bound must be at least 1"
                                   : "symbol '%s': a graph has at most 15 symbols",
                         name);
        return 0;
    }
    char *copy = arena_strdup(&g->mem, name);
    if (!copy) {
        (void)out_of_memory(g);
        return 0;
    }
    g->symbols[++g->n_symbols] = (symbol){copy, bound};
    return g->n_symbols;
}

static bool grow(graph *g, void **items, int32_t *capacity, size_t unit_bytes) {
    int32_t wider = *capacity ? *capacity * 2 : 64;
    void *more = arena_alloc_array(&g->mem, wider, unit_bytes);
    if (!more) return false;
    if (*capacity) memcpy(more, *items, (size_t)*capacity * unit_bytes);
    *items = more;
    *capacity = wider;
    return true;
}

/* An empty node with room for its operands and outputs; not yet in the graph. */
static node *node_new(graph *g, const op_def *op, int32_t n_in) {
    node *n = ARENA_NEW(&g->mem, node, 1);
    if (!n) return NULL;
    n->op = op;
    n->id = g->n_nodes;
    n->n_in = n_in;
    n->n_out = op->n_out;
    n->in = ARENA_NEW(&g->mem, value, n_in ? n_in : 1);
    n->out = ARENA_NEW(&g->mem, type, op->n_out);
    n->phase = g->phase;
    n->tag = g->tag;
    n->region = g->region;
    return n->in && n->out ? n : NULL;
}

static value append(graph *g, node *n) {
    if (g->n_nodes == g->cap_nodes && !grow(g, (void **)&g->nodes, &g->cap_nodes, sizeof *g->nodes))
        return out_of_memory(g);
    g->nodes[g->n_nodes++] = n;
    return (value){n->id, 0};
}

static value leaf(graph *g, const op_def *op, const char *name, const type *t, tag tag,
                  phase phase) {
    if (g->st != STATUS_OK) return NO_VALUE;
    value found = graph_find(g, name);
    if (!value_absent(found)) {
        if (value_node(g, found)->op == op && type_same(value_type(g, found), t)) return found;
        char has[160], wants[160];
        return graph_fail(
            g, STATUS_BAD_ARGUMENT, "'%s' is already there as %s %s and cannot also be %s %s", name,
            value_node(g, found)->op->name, type_print(g, value_type(g, found), has, sizeof has),
            op->name, type_print(g, t, wants, sizeof wants));
    }
    if (t->rank < 0 || t->rank > MAX_RANK || !t->format)
        return graph_fail(g, STATUS_BAD_ARGUMENT, "%s '%s': a rank of %d or no format", op->name,
                          name, t->rank);
    for (int32_t d = 0; d < t->rank; d++)
        if (extent_bound(g, t->dim[d]) < 0 || extent_bound(g, t->dim[d]) > INT32_MAX)
            return graph_fail(g, STATUS_BAD_ARGUMENT, "%s '%s': axis %d has %lld elements",
                              op->name, name, d, (long long)extent_bound(g, t->dim[d]));
    if (type_bound_elems(g, t) > INT64_MAX / 16)
        return graph_fail(g, STATUS_BAD_ARGUMENT, "%s '%s' has too many elements", op->name, name);
    node *n = node_new(g, op, 0);
    if (!n || !(n->name = arena_strdup(&g->mem, name))) return out_of_memory(g);
    n->out[0] = *t;
    n->tag = tag;
    n->phase = phase;
    return append(g, n);
}

value graph_input(graph *g, const char *name, type t) {
    return leaf(g, &op_input, name, &t, TAG_INPUT, PHASE_FORWARD);
}

value graph_state(graph *g, const char *name, type t, tag tag) {
    return leaf(g, &op_state, name, &t, tag, PHASE_LOAD);
}

value graph_find(const graph *g, const char *name) {
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (op_is_leaf(g->nodes[i]->op) && !strcmp(g->nodes[i]->name, name)) return (value){i, 0};
    return NO_VALUE;
}

/* Whether operand i may stand here: present unless optional, in the graph, ids exactly where ids
 * belong. */
static bool check_operand(graph *g, const op_def *op, int32_t i, value v) {
    uint32_t bit = i < 32 ? 1u << i : 0;
    if (value_absent(v)) {
        if (op->optional & bit) return true;
        (void)graph_fail(g, STATUS_BAD_ARGUMENT, "%s: operand %d is missing", op->name, i);
        return false;
    }
    if (v.node >= g->n_nodes || v.out < 0 || v.out >= g->nodes[v.node]->n_out) {
        (void)graph_fail(g, STATUS_BAD_ARGUMENT, "%s: operand %d is no value of this graph",
                         op->name, i);
        return false;
    }
    bool is_index = value_type(g, v)->format->kind == NUM_INDEX;
    bool wants_index = op->n_in < 0 ? is_index : (op->index_in & bit) != 0;
    if (is_index == wants_index || (op->shape_only & bit)) return true;
    char is[160];
    (void)graph_fail(g, STATUS_BAD_ARGUMENT, "%s: operand %d is %s, but it takes %s there",
                     op->name, i, type_print(g, value_type(g, v), is, sizeof is),
                     wants_index ? "whole numbers" : "numbers");
    return false;
}

value graph_add(graph *g, const op_def *op, const void *params, int32_t n_in, const value *in) {
    if (g->st != STATUS_OK) return NO_VALUE;
    if (n_in > MAX_IN || (op->n_in >= 0 ? n_in != op->n_in : n_in < 1))
        return graph_fail(g, STATUS_BAD_ARGUMENT, "%s takes %d operands, not %d", op->name,
                          op->n_in, n_in);
    for (int32_t i = 0; i < n_in; i++)
        if (!check_operand(g, op, i, in[i])) return NO_VALUE;
    node *n = node_new(g, op, n_in);
    if (!n) return out_of_memory(g);
    memcpy(n->in, in, (size_t)n_in * sizeof *in);
    if (op->params_bytes) {
        void *copy = arena_alloc(&g->mem, op->params_bytes);
        if (!copy) return out_of_memory(g);
        memcpy(copy, params, op->params_bytes);
        n->params = copy;
    }
    status st = op->shape(g, n, n->out);
    if (st != STATUS_OK) {
        g->st = st;
        return NO_VALUE;
    }
    for (int32_t o = 0; o < op->n_out; o++) {
        assert(n->out[o].format && n->out[o].rank <= MAX_RANK);
        if (op->writes[o]) n->tag = value_node(g, graph_storage(g, in[op->writes[o] - 1]))->tag;
    }
    return append(g, n);
}

value graph_name(graph *g, value v, const char *fmt, ...) {
    if (g->st != STATUS_OK || value_absent(v)) return v;
    char name[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    char *copy = arena_strdup(&g->mem, name);
    if (!copy) return out_of_memory(g);
    assert(!op_is_leaf(value_node(g, v)->op));
    value_node(g, v)->name = copy;
    return v;
}

void graph_mark(graph *g, mark_kind kind, const char *name, value at, value of) {
    if (g->st != STATUS_OK) return;
    if (value_absent(at) || at.node >= g->n_nodes) {
        (void)graph_fail(g, STATUS_BAD_ARGUMENT, "mark '%s' is on no value of this graph",
                         name ? name : "");
        return;
    }
    char *copy = name ? arena_strdup(&g->mem, name) : NULL;
    if ((name && !copy) || (g->n_marks == g->cap_marks &&
                            !grow(g, (void **)&g->marks, &g->cap_marks, sizeof *g->marks))) {
        (void)out_of_memory(g);
        return;
    }
    g->marks[g->n_marks++] = (mark){kind, copy, at, of};
}

const mark *graph_find_mark(const graph *g, mark_kind kind, value of) {
    for (int32_t i = 0; i < g->n_marks; i++)
        if (g->marks[i].kind == kind && (value_absent(of) || value_same(g->marks[i].of, of)))
            return &g->marks[i];
    return NULL;
}

value graph_storage(const graph *g, value v) {
    for (;;) {
        const node *n = value_node(g, v);
        if (n->op->writes[v.out])
            v = n->in[n->op->writes[v.out] - 1];
        else if (v.out == 0 && n->op->view_of)
            v = n->in[n->op->view_of - 1];
        else
            return v;
    }
}
