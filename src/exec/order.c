/* A list scheduler that is greedy for memory: of the nodes whose operands are there, it takes the
 * one after which the least memory is alive (what dies with it less what it makes), the earliest
 * among equals. Writers of a state wait for the readers of the version before. The result is taken
 * only if its peak is below that of the graph's own order; greed is no proof. */
#include "exec/order.h"
#include <assert.h>
#include <string.h>

typedef struct scheduler {
    const graph *g;
    int32_t *uses;  /* by storage slot: reads to come, marks included */
    int64_t *bytes; /* by storage slot */
    int32_t *waits; /* by node: operands and orderings that are not there yet */
    int32_t *edge, *edge_next, *first_edge; /* successors of a node */
    int32_t n_edges;
    int32_t *ready;
    int32_t n_ready;
} scheduler;

static int32_t storage_slot(const graph *g, value v) {
    value root = graph_storage(g, v);
    return root.node * MAX_OUT + root.out;
}

static void add_edge(scheduler *s, int32_t from, int32_t to) {
    s->edge[s->n_edges] = to;
    s->edge_next[s->n_edges] = s->first_edge[from];
    s->first_edge[from] = s->n_edges++;
    s->waits[to]++;
}

/* Every reader of a storage before the next writer of it. */
static void add_state_edges(scheduler *s, int32_t *last_reader_of, int32_t *reader_next) {
    const graph *g = s->g;
    int32_t n_readers = 0;
    int32_t *reader = reader_next + (int64_t)g->n_nodes * MAX_IN;
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        for (int32_t o = 0; o < n->n_out; o++) {
            if (!n->op->writes[o]) continue;
            int32_t slot = storage_slot(g, (value){id, o});
            for (int32_t r = last_reader_of[slot]; r >= 0; r = reader_next[r])
                if (reader[r] != id) add_edge(s, reader[r], id);
            last_reader_of[slot] = -1;
        }
        for (int32_t i = 0; i < n->n_in; i++) {
            if (!node_reads(n, i)) continue;
            int32_t slot = storage_slot(g, n->in[i]);
            reader[n_readers] = id;
            reader_next[n_readers] = last_reader_of[slot];
            last_reader_of[slot] = n_readers++;
        }
    }
}

static status start(scheduler *s, const graph *g, arena *mem) {
    int64_t slots = (int64_t)g->n_nodes * MAX_OUT, edges = 2 * (int64_t)g->n_nodes * MAX_IN;
    *s = (scheduler){.g = g};
    s->uses = ARENA_NEW(mem, int32_t, slots + 1);
    s->bytes = ARENA_NEW(mem, int64_t, slots + 1);
    s->waits = ARENA_NEW(mem, int32_t, g->n_nodes + 1);
    s->edge = ARENA_NEW(mem, int32_t, edges + 1);
    s->edge_next = ARENA_NEW(mem, int32_t, edges + 1);
    s->first_edge = ARENA_NEW(mem, int32_t, g->n_nodes + 1);
    s->ready = ARENA_NEW(mem, int32_t, g->n_nodes + 1);
    int32_t *readers = ARENA_NEW(mem, int32_t, slots + 1);
    int32_t *reader_next = ARENA_NEW(mem, int32_t, edges + 1);
    if (!s->uses || !s->bytes || !s->waits || !s->edge || !s->edge_next || !s->first_edge ||
        !s->ready || !readers || !reader_next)
        return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < g->n_nodes; i++) s->first_edge[i] = -1;
    for (int32_t i = 0; i < slots; i++) readers[i] = -1;
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        for (int32_t o = 0; o < n->n_out; o++)
            if (!op_is_leaf(n->op))
                s->bytes[storage_slot(g, (value){id, o})] = type_bound_bytes(g, &n->out[o]);
        for (int32_t i = 0; i < n->n_in; i++) {
            if (value_absent(n->in[i])) continue;
            add_edge(s, n->in[i].node, id);
            if (node_reads(n, i)) s->uses[storage_slot(g, n->in[i])]++;
        }
    }
    for (int32_t i = 0; i < g->n_marks; i++) s->uses[storage_slot(g, g->marks[i].at)]++;
    add_state_edges(s, readers, reader_next);
    return STATUS_OK;
}

/* Change of live bytes when `id` runs now. */
static int64_t growth(const scheduler *s, int32_t id) {
    const node *n = s->g->nodes[id];
    int64_t change = 0;
    for (int32_t o = 0; o < n->n_out; o++) {
        int32_t slot = id * MAX_OUT + o;
        if (storage_slot(s->g, (value){id, o}) == slot && s->uses[slot]) change += s->bytes[slot];
    }
    for (int32_t i = 0; i < n->n_in; i++) {
        if (!node_reads(n, i)) continue;
        int32_t slot = storage_slot(s->g, n->in[i]), here = 0;
        for (int32_t j = 0; j <= i; j++)
            here += node_reads(n, j) && storage_slot(s->g, n->in[j]) == slot;
        if (here == s->uses[slot]) change -= s->bytes[slot];
    }
    return change;
}

static int32_t best_ready(const scheduler *s) {
    int32_t best = 0;
    int64_t best_growth = INT64_MAX;
    for (int32_t i = 0; i < s->n_ready; i++) {
        int64_t change = growth(s, s->ready[i]);
        if (change > best_growth || (change == best_growth && s->ready[i] > s->ready[best]))
            continue;
        best = i;
        best_growth = change;
    }
    return best;
}

static void finish_node(scheduler *s, int32_t id) {
    const node *n = s->g->nodes[id];
    for (int32_t i = 0; i < n->n_in; i++)
        if (node_reads(n, i)) s->uses[storage_slot(s->g, n->in[i])]--;
    for (int32_t e = s->first_edge[id]; e >= 0; e = s->edge_next[e])
        if (--s->waits[s->edge[e]] == 0) s->ready[s->n_ready++] = s->edge[e];
}

/* The peak of live bytes of an order; spends the scheduler's counts. */
static int64_t run_order(scheduler *s, const int32_t *given, int32_t *taken) {
    int64_t live = 0, peak = 0;
    for (int32_t i = 0; i < s->g->n_nodes; i++)
        if (!s->waits[i]) s->ready[s->n_ready++] = i;
    for (int32_t i = 0; i < s->g->n_nodes; i++) {
        int32_t id = given ? given[i] : 0;
        if (!given) {
            int32_t at = best_ready(s);
            id = s->ready[at];
            s->ready[at] = s->ready[--s->n_ready];
        }
        int64_t made = 0;
        for (int32_t o = 0; o < s->g->nodes[id]->n_out; o++)
            if (s->uses[id * MAX_OUT + o]) made += s->bytes[id * MAX_OUT + o];
        peak = MAX_OF(peak, live + made);
        live += growth(s, id);
        if (given) s->n_ready = 0;
        finish_node(s, id);
        taken[i] = id;
    }
    return peak;
}

/* The node behind which `n` reads its operand while that is in cache; -1 where `n` is not such a reduction. */
static int32_t anchor_of(const graph *g, const node *n) {
    enum { MUCH_BYTES = 1 << 16, LITTLE_BYTES = 64 };
    if (op_is_leaf(n->op) || n->op->n_in != 1 || n->n_out != 1 || n->op->writes[0] ||
        n->op->view_of || n->phase == PHASE_LOAD)
        return -1;
    const node *made_by = value_node(g, n->in[0]);
    bool reduces = type_bound_bytes(g, value_type(g, n->in[0])) >= MUCH_BYTES &&
                   type_bound_bytes(g, &n->out[0]) <= LITTLE_BYTES;
    return reduces && !op_is_leaf(made_by->op) && made_by->phase != PHASE_LOAD ? made_by->id : -1;
}

/* Moves what reduces a value to next to nothing (a gradient to its norm) behind the value's node: no order needs less
 * memory, and the value need not come from memory again. */
static status draw_near(const graph *g, arena *mem, int32_t *order) {
    int32_t *first = ARENA_NEW(mem, int32_t, g->n_nodes + 1),
            *next = ARENA_NEW(mem, int32_t, g->n_nodes + 1),
            *nearer = ARENA_NEW(mem, int32_t, g->n_nodes + 1), n = 0;
    if (!first || !next || !nearer) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < g->n_nodes; i++) first[i] = -1;
    for (int32_t id = 0; id < g->n_nodes; id++) {
        int32_t anchor = anchor_of(g, g->nodes[id]);
        if (anchor < 0) continue;
        next[id] = first[anchor];
        first[anchor] = id;
    }
    for (int32_t i = 0; i < g->n_nodes; i++) {
        if (anchor_of(g, g->nodes[order[i]]) >= 0) continue;
        nearer[n++] = order[i];
        for (int32_t id = first[order[i]]; id >= 0; id = next[id]) nearer[n++] = id;
    }
    assert(n == g->n_nodes); /* what is that small anchors nothing */
    memcpy(order, nearer, (size_t)n * sizeof *order);
    return STATUS_OK;
}

status order_nodes(const graph *g, bool keep, arena *mem, int32_t **order) {
    int32_t *own = ARENA_NEW(mem, int32_t, g->n_nodes + 1),
            *greedy = ARENA_NEW(mem, int32_t, g->n_nodes + 1);
    if (!own || !greedy) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < g->n_nodes; i++) own[i] = i;
    *order = own;
    if (keep) return STATUS_OK;
    scheduler s;
    TRY(start(&s, g, mem));
    int64_t own_peak = run_order(&s, own, own);
    TRY(start(&s, g, mem));
    if (run_order(&s, NULL, greedy) < own_peak) *order = greedy;
    return draw_near(g, mem, *order);
}
