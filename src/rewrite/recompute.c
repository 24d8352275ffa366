/* The backward phase reads what the forward phase made: with L blocks of which each has an input of I bytes and makes
 * A bytes that its backward reads, L (I + A) bytes wait. Computing some of it again trades time for that memory.
 *   setting     kept                       at most at once again   time
 *   none        L (I + A)                  -                       1
 *   selective   L (I + products)           A - products            1 + attention, norms, activations
 *   block       L I                        A                       4/3, less the last product of each block
 *   sqrt        L/s I, s = ceil(sqrt(L))   s I + A                 5/3 at most
 * (Chen et al., "Training deep nets with sublinear memory cost"; selective: Korthikanti et al.) Products of a weight
 * are what is dear; all else of a block is cheap beside them. Where blocks meet, values are kept; with `sqrt` only
 * those between segments of s blocks, and a first walk through the segment finds the inputs of its blocks again.
 *
 * A node that is computed again is the same op on the same bits in the same order, and its random numbers follow from
 * its parameters and the step: gradients are bit-equal. So it comes after fuse, which would fold on one side only.
 * Copies stand in front of their first reader, in the backward phase, pinned there. */
#include "rewrite/recompute.h"
#include "graph/op.h"

enum { WALK, INSIDE, LEVELS }; /* a copy for the walk through a segment, one for the block itself */

typedef struct recomputing {
    recompute_kind kind;
    int32_t segment;    /* blocks of one */
    bool *meets, *kept; /* by slot of the old graph: read by another block; kept */
    value *again[LEVELS];
} recomputing;

static int32_t segment_of(const recomputing *own, int32_t region) {
    return region ? (region - 1) / own->segment : -1;
}

static int32_t last_region(const graph *g) {
    int32_t last = 0;
    for (int32_t id = 0; id < g->n_nodes; id++) last = MAX_OF(last, g->nodes[id]->region);
    return last;
}

/* A dot that reads a constant: the product of a weight. */
static bool is_weighted(const graph *g, const node *n) {
    if (n->op->precision != PRECISION_DOT) return false;
    for (int32_t i = 0; i < n->n_in; i++)
        if (!value_absent(n->in[i]) && value_node(g, n->in[i])->phase == PHASE_LOAD) return true;
    return false;
}

/* Whether the whole node stays as it is, whatever is read of it. */
static bool stays(const graph *g, const recomputing *own, const node *n) {
    if (op_is_leaf(n->op) || n->phase != PHASE_FORWARD || !n->region) return true;
    for (int32_t o = 0; o < n->op->n_out; o++)
        if (n->op->writes[o]) return true;
    return own->kind == RECOMPUTE_NONE || (own->kind == RECOMPUTE_SELECTIVE && is_weighted(g, n));
}

static void keep(const rewriting *r, value v) {
    ((recomputing *)r->own)->kept[rewriting_slot(r, v)] = true;
}

/* A value that forward nodes of another block read meets them; from segment to segment it is kept. */
static void find_meetings(const rewriting *r) {
    const recomputing *own = r->own;
    for (int32_t id = 0; id < r->from->n_nodes; id++) {
        const node *n = r->from->nodes[id];
        for (int32_t i = 0; i < n->n_in && n->phase == PHASE_FORWARD; i++) {
            if (!node_reads(n, i)) continue;
            int32_t region = value_node(r->from, n->in[i])->region;
            if (region == n->region) continue;
            own->meets[rewriting_slot(r, n->in[i])] = true;
            if (segment_of(own, region) != segment_of(own, n->region)) keep(r, n->in[i]);
        }
    }
}

static void find_kept(const rewriting *r) {
    const recomputing *own = r->own;
    for (int32_t i = 0; i < r->from->n_marks; i++) keep(r, r->from->marks[i].at);
    for (int32_t id = 0; id < r->from->n_nodes; id++) {
        const node *n = r->from->nodes[id];
        bool view_of_kept =
            n->op->view_of && own->kept[rewriting_slot(r, n->in[n->op->view_of - 1])];
        for (int32_t o = 0; o < n->n_out; o++)
            if (stays(r->from, own, n) || view_of_kept) keep(r, (value){id, o});
    }
}

static status begin(rewriting *r) {
    const recompute_options *options = r->options;
    int32_t last = last_region(r->from), slots = rewriting_slots(r) + 1;
    recomputing *own = ARENA_NEW(r->mem, recomputing, 1);
    if (!own) return STATUS_NO_MEMORY;
    own->kind = options ? options->kind : RECOMPUTE_BLOCK;
    if (!last && own->kind != RECOMPUTE_NONE)
        return context_fail(r->from->cx, STATUS_BAD_ARGUMENT,
                            "the graph names no blocks, so that nothing says where to begin again");
    own->segment = 1;
    while (own->kind == RECOMPUTE_SQRT && own->segment * own->segment < last) own->segment++;
    own->meets = ARENA_NEW(r->mem, bool, slots);
    own->kept = ARENA_NEW(r->mem, bool, slots);
    if (!own->meets || !own->kept) return STATUS_NO_MEMORY;
    for (int32_t level = 0; level < LEVELS; level++) {
        own->again[level] = ARENA_NEW(r->mem, value, slots);
        if (!own->again[level]) return STATUS_NO_MEMORY;
        for (int32_t i = 0; i < slots; i++) own->again[level][i] = NO_VALUE;
    }
    r->own = own;
    find_meetings(r);
    find_kept(r);
    return STATUS_OK;
}

/* The value as a backward node reads it: kept, or of a copy, which is made where there is none. Recursion goes back
 * to where the segment begins. */
static value again(rewriting *r, value v, int32_t level) {
    const recomputing *own = r->own;
    int32_t slot = rewriting_slot(r, v);
    if (own->kept[slot]) return rewriting_get(r, v);
    if (own->meets[slot]) level = WALK;
    if (!value_absent(own->again[level][slot])) return own->again[level][slot];
    const node *n = value_node(r->from, v);
    value in[MAX_IN];
    for (int32_t i = 0; i < n->n_in; i++)
        in[i] = node_reads(n, i) ? again(r, n->in[i], level) : rewriting_get(r, n->in[i]);
    int32_t region_before = r->to->region;
    tag tag_before = r->to->tag;
    r->to->region = n->region;
    r->to->tag = n->tag;
    value copy = graph_add(r->to, n->op, n->params, n->n_in, in);
    r->to->region = region_before;
    r->to->tag = tag_before;
    if (value_absent(copy)) return copy;
    value_node(r->to, copy)->pinned = true;
    if (n->name) (void)graph_name(r->to, copy, "%s", n->name);
    for (int32_t o = 0; o < n->n_out; o++)
        own->again[level][rewriting_slot(r, (value){n->id, o})] = (value){copy.node, o};
    return own->again[level][slot];
}

static bool visit(rewriting *r, const node *n) {
    if (n->phase < PHASE_BACKWARD) return false;
    value in[MAX_IN];
    for (int32_t i = 0; i < n->n_in; i++) {
        bool forward = node_reads(n, i) && value_node(r->from, n->in[i])->phase == PHASE_FORWARD;
        in[i] = forward ? again(r, n->in[i], INSIDE) : rewriting_get(r, n->in[i]);
    }
    (void)rewriting_copy_over(r, n, in);
    return true;
}

const rewrite_def rewrite_recompute = {
    .name = "recompute",
    .help = "computes activations again in the backward phase instead of keeping them",
    .needs = GRAPH_DIFFERENTIATED,
    .forbids = GRAPH_RECOMPUTED,
    .ensures = GRAPH_RECOMPUTED,
    .begin = begin,
    .visit = visit,
};

/* ---- counting ---- */
status recompute_count(const graph *g, recompute_bytes *out) {
    arena mem = arena_make(g->cx);
    int32_t regions = last_region(g) + 1;
    bool *read = ARENA_NEW(&mem, bool, (int64_t)g->n_nodes *MAX_OUT + 1);
    int64_t *by_region = ARENA_NEW(&mem, int64_t, regions);
    *out = (recompute_bytes){0};
    if (!read || !by_region) {
        arena_free(&mem);
        return STATUS_NO_MEMORY;
    }
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        for (int32_t i = 0; i < n->n_in && n->phase >= PHASE_BACKWARD; i++) {
            if (!node_reads(n, i)) continue;
            value root = graph_storage(g, n->in[i]);
            const node *from = value_node(g, root);
            int64_t bytes = type_bound_bytes(g, &from->out[root.out]);
            bool *seen = &read[root.node * MAX_OUT + root.out];
            if (*seen || op_is_leaf(from->op) || (from->pinned && n->pinned)) continue;
            *seen = true;
            if (from->phase == PHASE_FORWARD) out->kept += bytes;
            if (from->pinned) by_region[from->region] += bytes;
        }
    }
    for (int32_t i = 0; i < regions; i++) out->again = MAX_OF(out->again, by_region[i]);
    arena_free(&mem);
    return STATUS_OK;
}
