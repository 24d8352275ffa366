/* The driver of rewrites. It walks the old graph in order and builds the new one; nodes that no
 * mark reaches are dropped in a second walk, so that a rewrite never has to clean up after itself.
 */
#include "graph/rewrite.h"
#include <assert.h>
#include <string.h>

const rewrite_def *rewrite_find(const char *name) {
    for (int32_t i = 0; registry_rewrite[i]; i++)
        if (!strcmp(registry_rewrite[i]->name, name)) return registry_rewrite[i];
    return NULL;
}

int32_t rewriting_slots(const rewriting *r) {
    return r->first[r->from->n_nodes];
}

value rewriting_get(const rewriting *r, value from) {
    return value_absent(from) ? from : r->map[rewriting_slot(r, from)];
}

void rewriting_set(rewriting *r, value from, value to) {
    r->map[rewriting_slot(r, from)] = to;
}

/* A node of another graph again in g, over the operands given. Symbols keep their numbers. */
static value copy_node(graph *g, const node *n, const value *in) {
    phase phase_before = g->phase;
    tag tag_before = g->tag;
    g->phase = n->phase;
    g->tag = n->tag;
    value v;
    if (n->op == &op_input)
        v = graph_input(g, n->name, n->out[0]);
    else if (n->op == &op_state)
        v = graph_state(g, n->name, n->out[0], n->tag);
    else
        v = graph_add(g, n->op, n->params, n->n_in, in);
    g->phase = phase_before;
    g->tag = tag_before;
    if (value_absent(v)) return v;
    value_node(g, v)->pinned = n->pinned;
    value_node(g, v)->phase = n->phase;
    value_node(g, v)->region = n->region;
    if (n->name && !op_is_leaf(n->op)) v = graph_name(g, v, "%s", n->name);
    return v;
}

value rewriting_copy(rewriting *r, const node *n) {
    value in[MAX_IN];
    for (int32_t i = 0; i < n->n_in; i++) in[i] = rewriting_get(r, n->in[i]);
    return rewriting_copy_over(r, n, in);
}

value rewriting_copy_over(rewriting *r, const node *n, const value *in) {
    value v = copy_node(r->to, n, in);
    for (int32_t o = 0; o < n->n_out && !value_absent(v); o++)
        rewriting_set(r, (value){n->id, o}, (value){v.node, o});
    return v;
}

static bool copy_symbols(const graph *from, graph *to) {
    for (int32_t i = 1; i <= from->n_symbols; i++)
        if (graph_symbol(to, from->symbols[i].name, from->symbols[i].bound) != i) return false;
    return true;
}

static void count_use(rewriting *r, value v) {
    if (!value_absent(v)) r->uses[rewriting_slot(r, v)]++;
}

static status start(rewriting *r, const graph *from, graph *to, arena *mem) {
    if (!to || !copy_symbols(from, to)) return STATUS_NO_MEMORY;
    int32_t slots = 0;
    r->from = from;
    r->to = to;
    r->mem = mem;
    r->first = ARENA_NEW(mem, int32_t, from->n_nodes + 1);
    if (!r->first) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < from->n_nodes; i++) {
        r->first[i] = slots;
        slots += from->nodes[i]->n_out;
    }
    r->first[from->n_nodes] = slots;
    r->map = ARENA_NEW(mem, value, slots + 1);
    if (!r->map) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < slots; i++) r->map[i] = NO_VALUE;
    r->uses = ARENA_NEW(mem, int32_t, slots + 1);
    if (!r->uses) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < from->n_nodes; i++)
        for (int32_t j = 0; j < from->nodes[i]->n_in; j++) count_use(r, from->nodes[i]->in[j]);
    for (int32_t i = 0; i < from->n_marks; i++) count_use(r, from->marks[i].at);
    return STATUS_OK;
}

static void carry_marks(rewriting *r) {
    for (int32_t i = 0; i < r->from->n_marks; i++) {
        const mark *m = &r->from->marks[i];
        graph_mark(r->to, m->kind, m->name, rewriting_get(r, m->at), rewriting_get(r, m->of));
    }
}

/* Copies what the marks reach; *out is a graph of its own. */
static status prune(const graph *from, arena *mem, graph **out) {
    rewriting r = {0};
    *out = graph_new(from->cx);
    TRY(start(&r, from, *out, mem));
    bool *reached = ARENA_NEW(mem, bool, from->n_nodes + 1);
    if (!reached) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < from->n_marks; i++) {
        reached[from->marks[i].at.node] = true;
        if (!value_absent(from->marks[i].of)) reached[from->marks[i].of.node] = true;
    }
    for (int32_t i = from->n_nodes - 1; i >= 0; i--)
        for (int32_t j = 0; reached[i] && j < from->nodes[i]->n_in; j++)
            if (!value_absent(from->nodes[i]->in[j])) reached[from->nodes[i]->in[j].node] = true;
    for (int32_t i = 0; i < from->n_nodes; i++)
        if (reached[i]) (void)rewriting_copy(&r, from->nodes[i]);
    carry_marks(&r);
    return graph_status(*out);
}

static status check_facts(const rewrite_def *def, const graph *from, uint32_t facts) {
    if ((facts & def->needs) != def->needs)
        return context_fail(
            from->cx, STATUS_BAD_ARGUMENT,
            "rewrite '%s' must come after another one that has not run (needs %x, has %x)",
            def->name, def->needs, facts);
    if (facts & def->forbids)
        return context_fail(
            from->cx, STATUS_BAD_ARGUMENT,
            "rewrite '%s' must come before one that has run already (forbids %x, has %x)",
            def->name, def->forbids, facts);
    return STATUS_OK;
}

static status rewrite_into(const rewrite_def *def, const graph *from, const void *options,
                           graph *raw, arena *mem) {
    rewriting r = {.options = options};
    TRY(start(&r, from, raw, mem));
    if (def->begin) TRY(def->begin(&r));
    for (int32_t i = 0; i < from->n_nodes; i++) {
        raw->phase = from->nodes[i]->phase;
        raw->tag = from->nodes[i]->tag;
        raw->region = from->nodes[i]->region;
        if (!def->visit || !def->visit(&r, from->nodes[i]))
            (void)rewriting_copy(&r, from->nodes[i]);
        TRY(graph_status(raw));
    }
    raw->region = 0;
    carry_marks(&r);
    TRY(graph_status(raw));
    return def->finish ? def->finish(&r) : STATUS_OK;
}

status rewrite_run(const rewrite_def *def, const graph *from, const void *options, uint32_t *facts,
                   graph **out) {
    *out = NULL;
    TRY(check_facts(def, from, *facts));
    arena mem = arena_make(from->cx);
    graph *raw = graph_new(from->cx);
    status st = rewrite_into(def, from, options, raw, &mem);
    if (st == STATUS_OK) st = graph_status(raw);
    if (st == STATUS_OK) st = prune(raw, &mem, out);
    if (st == STATUS_OK) st = graph_verify(*out);
    if (st != STATUS_OK) {
        graph_free(*out);
        *out = NULL;
        st = context_note(from->cx, st, "rewrite '%s'", def->name);
    } else {
        *facts |= def->ensures;
    }
    graph_free(raw);
    arena_free(&mem);
    return st;
}
