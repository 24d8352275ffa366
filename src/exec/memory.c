/* Which memory each value of a plan gets. States come from the store; inputs, marked values and
 * what the load phase makes keep their place; all else is placed by lifetime. An output takes over
 * the memory of an operand that dies with the node, where the op allows it and the sizes agree.
 * Outputs that nobody reads get none. */
#include "exec/place.h"
#include "exec/plan.h"
#include <string.h>

typedef struct lifetimes {
    plan *p;
    const int32_t *reads;
    int32_t *root;  /* by slot: the slot whose piece holds it */
    int32_t *piece; /* by root slot: its piece, -1 none */
    piece *pieces;
    tag *tags; /* by piece */
    int32_t n;
    bool *keep; /* by root slot: lives from its birth to the end, or is marked */
} lifetimes;

static int32_t slot_of(value v) {
    return v.node * MAX_OUT + v.out;
}

static int32_t root_of(const lifetimes *l, value v) {
    int32_t slot = slot_of(graph_storage(l->p->g, v));
    while (l->root[slot] != slot) slot = l->root[slot];
    return slot;
}

static bool is_state(const graph *g, int32_t slot) {
    return g->nodes[slot / MAX_OUT]->op == &op_state;
}

static void new_piece(lifetimes *l, int32_t slot, int32_t at, tag tag_, int64_t size_bytes) {
    l->piece[slot] = l->n;
    l->tags[l->n] = tag_;
    l->pieces[l->n++] = (piece){.size_bytes = size_bytes, .from = at, .to = at};
}

/* The slot of an operand that may become output 0 of this step, or -1. `uses` counts reads still to
 * come. */
static int32_t dying_operand(const lifetimes *l, const plan_step *s, const int32_t *uses) {
    const graph *g = l->p->g;
    const node *n = s->node;
    if (n->op->n_in < 0 || n->op->writes[0]) return -1;
    for (int32_t i = 0; i < n->n_in; i++) {
        if (!(n->op->may_overwrite >> i & 1) || value_absent(n->in[i])) continue;
        int32_t root = root_of(l, n->in[i]);
        const type *t = value_type(g, n->in[i]);
        if (is_state(g, root) || l->keep[root] || l->piece[root] < 0 || uses[root] != 1) continue;
        if (t->format != n->out[0].format ||
            type_bound_bytes(g, t) != type_bound_bytes(g, &n->out[0]))
            continue;
        if (l->pieces[l->piece[root]].size_bytes == type_bound_bytes(g, t)) return root;
    }
    return -1;
}

static void visit_outputs(lifetimes *l, const plan_step *s, int32_t at, const int32_t *uses) {
    const graph *g = l->p->g;
    for (int32_t o = 0; o < s->node->n_out; o++) {
        value v = {s->node->id, o};
        int32_t slot = slot_of(v);
        if (root_of(l, v) != slot || (!l->reads[slot] && !l->keep[slot])) continue;
        int32_t dying = o == 0 ? dying_operand(l, s, uses) : -1;
        if (dying >= 0 && !l->keep[slot])
            l->root[slot] = dying;
        else
            new_piece(l, slot, at, s->node->tag, type_bound_bytes(g, &s->node->out[o]));
        int32_t root = root_of(l, v);
        l->pieces[l->piece[root]].to = MAX_OF(l->pieces[l->piece[root]].to, at);
    }
}

static void visit_step(lifetimes *l, plan_step *s, int32_t at, int32_t *uses) {
    visit_outputs(l, s, at, uses);
    for (int32_t i = 0; i < s->node->n_in; i++) {
        value v = s->node->in[i];
        if (!node_reads(s->node, i)) continue;
        int32_t root = root_of(l, v);
        uses[root]--;
        if (l->piece[root] >= 0)
            l->pieces[l->piece[root]].to = MAX_OF(l->pieces[l->piece[root]].to, at);
    }
}

static void keep_marked(lifetimes *l) {
    const graph *g = l->p->g;
    for (int32_t i = 0; i < g->n_marks; i++)
        if (g->marks[i].kind != MARK_NEXT) l->keep[root_of(l, g->marks[i].at)] = true;
    for (int32_t id = 0; id < g->n_nodes; id++)
        for (int32_t o = 0; o < g->nodes[id]->n_out; o++)
            if ((g->nodes[id]->phase == PHASE_LOAD && l->reads[id * MAX_OUT + o]) ||
                g->nodes[id]->op == &op_input)
                l->keep[root_of(l, (value){id, o})] = true;
}

/* Shared scratch of a call lives for its one step. Returns its piece or -1. */
static int32_t shared_scratch(lifetimes *l, plan_step *s, int32_t at) {
    const kernel_def *kernel = s->chosen.kernel;
    int64_t size_bytes = kernel && kernel->shared_bytes ? kernel->shared_bytes(&s->c) : 0;
    if (!size_bytes) return -1;
    l->tags[l->n] = TAG_SCRATCH;
    l->pieces[l->n] = (piece){.size_bytes = size_bytes, .from = at, .to = at};
    return l->n++;
}

static void peaks_by_tag(plan *p, const lifetimes *l, arena *mem) {
    int64_t *live = ARENA_NEW(mem, int64_t, (int64_t)TAG_COUNT * (p->n_steps + 2));
    if (!live) return;
    for (int32_t i = 0; i < l->n; i++)
        for (int32_t at = l->pieces[i].from; at <= l->pieces[i].to; at++)
            live[at * TAG_COUNT + l->tags[i]] += l->pieces[i].size_bytes;
    for (int32_t at = 0; at <= p->n_steps; at++)
        for (int32_t t = 0; t < TAG_COUNT; t++)
            p->peak_bytes[t] = MAX_OF(p->peak_bytes[t], live[at * TAG_COUNT + t]);
}

static status bind_states(plan *p) {
    for (int32_t id = 0; id < p->g->n_nodes; id++) {
        const node *n = p->g->nodes[id];
        state *found;
        if (n->op != &op_state) continue;
        if (p->options.dry_run) {
            p->peak_bytes[n->tag] += type_bound_bytes(p->g, &n->out[0]);
            continue;
        }
        TRY(states_bind(p->store, p->g, n, &found));
        p->tensors[id * MAX_OUT].data = found->t.data;
        p->peak_bytes[n->tag] += found->size_bytes;
    }
    return STATUS_OK;
}

static void set_pointers(plan *p, const lifetimes *l, const int32_t *shared) {
    for (int32_t id = 0; id < p->g->n_nodes; id++) {
        for (int32_t o = 0; o < p->g->nodes[id]->n_out; o++) {
            int32_t root = root_of(l, (value){id, o});
            void *data = is_state(p->g, root)  ? p->tensors[root].data
                         : l->piece[root] >= 0 ? p->memory + l->pieces[l->piece[root]].offset
                                               : NULL;
            p->tensors[id * MAX_OUT + o].data = data;
        }
    }
    for (int32_t k = 0; k < p->n_steps; k++) {
        plan_step *s = &p->steps[k];
        for (int32_t i = 0; i < s->node->n_in; i++)
            if (!value_absent(s->node->in[i]))
                s->c.in[i].data = p->tensors[slot_of(s->node->in[i])].data;
        for (int32_t o = 0; o < s->node->n_out; o++)
            s->c.out[o].data = p->tensors[s->node->id * MAX_OUT + o].data;
        s->c.scratch = shared[k] >= 0 ? p->memory + l->pieces[shared[k]].offset : NULL;
    }
}

static status start(lifetimes *l, plan *p, const int32_t *reads, arena *mem) {
    int64_t slots = (int64_t)p->g->n_nodes * MAX_OUT;
    *l = (lifetimes){.p = p, .reads = reads};
    l->root = ARENA_NEW(mem, int32_t, slots + 1);
    l->piece = ARENA_NEW(mem, int32_t, slots + 1);
    l->pieces = ARENA_NEW(mem, piece, slots + p->n_steps + 1);
    l->tags = ARENA_NEW(mem, tag, slots + p->n_steps + 1);
    l->keep = ARENA_NEW(mem, bool, slots + 1);
    if (!l->root || !l->piece || !l->pieces || !l->tags || !l->keep) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < slots; i++) {
        l->root[i] = i;
        l->piece[i] = -1;
    }
    keep_marked(l);
    return STATUS_OK;
}

/* Reads to come, by root: views and next versions count for what they stand on. */
static int32_t *count_uses(const lifetimes *l, arena *mem) {
    int32_t *uses = ARENA_NEW(mem, int32_t, (int64_t)l->p->g->n_nodes * MAX_OUT + 1);
    for (int32_t k = 0; uses && k < l->p->n_steps; k++) {
        const node *n = l->p->steps[k].node;
        for (int32_t i = 0; i < n->n_in; i++)
            if (node_reads(n, i)) uses[root_of(l, n->in[i])]++;
    }
    return uses;
}

static status place(plan *p, lifetimes *l, arena *mem) {
    int32_t *shared = ARENA_NEW(mem, int32_t, p->n_steps + 1), *uses = count_uses(l, mem);
    if (!shared || !uses) return STATUS_NO_MEMORY;
    for (int32_t id = 0; id < p->g->n_nodes; id++)
        if (p->g->nodes[id]->op == &op_input)
            new_piece(l, id * MAX_OUT, 0, TAG_INPUT,
                      type_bound_bytes(p->g, &p->g->nodes[id]->out[0]));
    for (int32_t k = 0; k < p->n_steps; k++) {
        visit_step(l, &p->steps[k], k, uses);
        shared[k] = shared_scratch(l, &p->steps[k], k);
    }
    int64_t slots = (int64_t)p->g->n_nodes * MAX_OUT;
    for (int32_t slot = 0; slot < slots; slot++)
        if (l->keep[slot] && l->piece[slot] >= 0)
            l->pieces[l->piece[slot]].to = MAX_OF(0, p->n_steps - 1);
    TRY(place_pieces(p->cx, l->pieces, l->n, &p->planned_bytes, &p->live_bytes));
    peaks_by_tag(p, l, mem);
    if (p->options.dry_run) return STATUS_OK;
    p->memory = context_alloc(p->cx, (size_t)p->planned_bytes);
    if (!p->memory) return context_note(p->cx, STATUS_NO_MEMORY, "the plan's memory");
    memset(p->memory, p->options.poison ? 0xff : 0, (size_t)p->planned_bytes);
    set_pointers(p, l, shared);
    return STATUS_OK;
}

status plan_build_memory(plan *p, const int32_t *reads) {
    arena mem = arena_make(p->cx);
    lifetimes l;
    status st = bind_states(p);
    if (st == STATUS_OK) st = start(&l, p, reads, &mem);
    if (st == STATUS_OK) st = place(p, &l, &mem);
    arena_free(&mem);
    return st;
}
