/* Making a plan: the order, the kernels, the packed operands, the extents to patch at each step. */
#include "exec/plan.h"
#include "exec/order.h"
#include "exec/packs.h"
#include <assert.h>
#include <string.h>

static bool is_read(const plan *p, const int32_t *reads, value v) {
    return reads[v.node * MAX_OUT + v.out] > 0 || op_is_leaf(p->g->nodes[v.node]->op);
}

static bool is_needed(const node *n, const int32_t *reads) {
    for (int32_t o = 0; o < n->n_out; o++)
        if (reads[n->id * MAX_OUT + o] || n->op->writes[o]) return true;
    return false;
}

/* How often each value is marked, or read by a node that is needed itself: others do not run. */
static int32_t *count_reads(const graph *g, arena *mem) {
    int32_t *reads = ARENA_NEW(mem, int32_t, (int64_t)g->n_nodes * MAX_OUT + 1);
    if (!reads) return NULL;
    for (int32_t i = 0; i < g->n_marks; i++)
        reads[g->marks[i].at.node * MAX_OUT + g->marks[i].at.out]++;
    for (int32_t id = g->n_nodes - 1; id >= 0; id--) {
        const node *n = g->nodes[id];
        for (int32_t i = 0; i < n->n_in && is_needed(n, reads); i++)
            if (node_reads(n, i)) reads[n->in[i].node * MAX_OUT + n->in[i].out]++;
    }
    return reads;
}

static bool is_written(const graph *g, value state_value) {
    for (int32_t id = state_value.node + 1; id < g->n_nodes; id++)
        for (int32_t o = 0; o < g->nodes[id]->n_out; o++)
            if (g->nodes[id]->op->writes[o] &&
                value_same(graph_storage(g, (value){id, o}), state_value))
                return true;
    return false;
}

/* Constant through a plan's life: derived from states in the load phase, and not written. */
static bool *find_constants(const graph *g, arena *mem) {
    bool *constant = ARENA_NEW(mem, bool, g->n_nodes + 1);
    for (int32_t id = 0; constant && id < g->n_nodes; id++)
        constant[id] = g->nodes[id]->phase == PHASE_LOAD && !is_written(g, (value){id, 0});
    return constant;
}

/* By node: what the load phase derives from states that a step writes. */
static bool *find_renewed(const graph *g, arena *mem) {
    bool *renewed = ARENA_NEW(mem, bool, g->n_nodes + 1);
    for (int32_t id = 0; renewed && id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        for (int32_t i = 0; n->phase == PHASE_LOAD && i < n->n_in; i++) {
            if (value_absent(n->in[i])) continue;
            value root = graph_storage(g, n->in[i]);
            renewed[id] |= renewed[n->in[i].node] || is_written(g, root);
        }
    }
    return renewed;
}

static kernel_query query_of(const plan *p, const node *n, const int32_t *reads) {
    kernel_query q = {.g = p->g, .node = n};
    for (int32_t i = 0; i < n->n_in; i++)
        if (!value_absent(n->in[i])) q.in[i] = value_type(p->g, n->in[i]);
    for (int32_t o = 0; o < n->n_out; o++)
        if (is_read(p, reads, (value){n->id, o}) || n->op->writes[o]) q.out[o] = &n->out[o];
    return q;
}

static status pick_kernel(plan *p, plan_step *s, const int32_t *reads) {
    if (p->options.reference_only) return STATUS_OK;
    kernel_query q = query_of(p, s->node, reads);
    return choose_kernel(&q, p->options.isa_limit, p->options.plugins, &p->mem, &s->chosen);
}

static void set_tensor(plan *p, tensor *t, const type *from) {
    t->format = from->format;
    t->rank = from->rank;
    for (int32_t d = 0; d < from->rank; d++) {
        t->dim[d] = extent_bound(p->g, from->dim[d]);
        if (from->dim[d].sym) p->patches[p->n_patches++] = (extent_patch){&t->dim[d], from->dim[d]};
    }
}

static status make_tensors(plan *p) {
    int64_t n_tensors = (int64_t)p->g->n_nodes * MAX_OUT, n_patches = 0;
    for (int32_t i = 0; i < p->g->n_nodes; i++)
        n_patches += (int64_t)MAX_RANK * (2 * p->g->nodes[i]->n_out + p->g->nodes[i]->n_in);
    p->tensors = ARENA_NEW(&p->mem, tensor, n_tensors + 1);
    p->patches = ARENA_NEW(&p->mem, extent_patch, n_patches + 1);
    p->steps = ARENA_NEW(&p->mem, plan_step, p->g->n_nodes + 1);
    if (!p->tensors || !p->patches || !p->steps) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < p->g->n_nodes; i++)
        for (int32_t o = 0; o < p->g->nodes[i]->n_out; o++)
            set_tensor(p, &p->tensors[i * MAX_OUT + o], &p->g->nodes[i]->out[o]);
    return STATUS_OK;
}

static status make_step(plan *p, const node *n, const int32_t *reads) {
    plan_step *s = &p->steps[p->n_steps++];
    s->node = n;
    s->c = (call){.node = n, .params = n->params, .n_in = n->n_in, .n_out = n->n_out};
    s->skipped = n->op->view_of && !n->op->writes[0];
    for (int32_t i = 0; i < n->n_in; i++)
        if (!value_absent(n->in[i])) set_tensor(p, &s->c.in[i], value_type(p->g, n->in[i]));
    for (int32_t o = 0; o < n->n_out; o++) set_tensor(p, &s->c.out[o], &n->out[o]);
    return s->skipped ? STATUS_OK : pick_kernel(p, s, reads);
}

static plan_pack *find_pack(plan *p, value of, const pack_def *def) {
    for (int32_t i = 0; i < p->n_packs; i++)
        if (value_same(p->packs[i].of, of) && p->packs[i].def == def) return &p->packs[i];
    return NULL;
}

/* What a packed layout is made from: a conversion that the layout can read through is passed over. */
static value pack_source(const plan *p, value of, const pack_def *def) {
    const node *n = value_node(p->g, of);
    bool through = n->op->converts && def->reads && def->reads(value_type(p->g, n->in[0])->format);
    return through ? n->in[0] : of;
}

static void want_pack(plan *p, plan_step *s, int32_t operand, const pack_def *def, bool renewed) {
    value of = s->node->in[operand];
    plan_pack *pack = find_pack(p, of, def);
    if (!pack && p->n_packs < p->n_steps * 2) {
        pack = &p->packs[p->n_packs++];
        *pack = (plan_pack){.of = of,
                            .from = pack_source(p, of, def),
                            .def = def,
                            .renewed = renewed,
                            .size_bytes = def->bytes(&s->c.in[operand])};
        p->packed_bytes += pack->size_bytes;
    }
    s->packed[operand] = pack;
    if (pack) s->c.in[operand].layout = def;
}

/* Where packed layouts of written states are renewed: behind who writes the state and who reads the layout. */
static void place_renewals(plan *p) {
    for (int32_t i = 0; i < p->n_packs; i++) p->packs[i].after = -1;
    for (int32_t k = p->n_load; k < p->n_steps; k++) {
        const node *n = p->steps[k].node;
        for (int32_t i = 0; i < n->n_in && i < MAX_IN; i++)
            if (p->steps[k].packed[i]) p->steps[k].packed[i]->after = k;
        for (int32_t o = 0; o < n->n_out; o++) {
            value root = graph_storage(p->g, (value){n->id, o});
            for (int32_t i = 0; n->op->writes[o] && i < p->n_packs; i++)
                if (value_same(p->packs[i].from, root)) p->packs[i].after = k;
        }
    }
    for (int32_t i = 0; i < p->n_packs; i++) {
        plan_pack *k = &p->packs[i];
        if (!k->renewed || value_node(p->g, k->from)->op != &op_state) k->after = -1;
        if (k->after < 0) continue;
        k->next = p->steps[k->after].renews;
        p->steps[k->after].renews = k;
    }
}

/* Chooses packed layouts of constants. `reads` then counts only who reads the plain values. */
static status want_packs(plan *p, int32_t *reads, arena *mem) {
    const graph *g = p->g;
    const bool *constant = find_constants(g, mem), *renewed = find_renewed(g, mem);
    p->packs = ARENA_NEW(&p->mem, plan_pack, (int64_t)p->n_steps * 2 + 1);
    if (!p->packs || !constant || !renewed) return STATUS_NO_MEMORY;
    for (int32_t k = 0; k < p->n_steps; k++) {
        plan_step *s = &p->steps[k];
        s->renewed = renewed[s->node->id];
        if (!s->chosen.kernel || !s->chosen.kernel->wants) continue;
        kernel_query q = query_of(p, s->node, reads);
        for (int32_t i = 0; i < s->node->n_in && i < MAX_IN; i++) {
            value of = s->node->in[i];
            if (value_absent(of) || !constant[graph_storage(g, of).node]) continue;
            const pack_def *def = s->chosen.kernel->wants(&q, i);
            if (def) want_pack(p, s, i, def, renewed[of.node]);
        }
    }
    for (int32_t k = 0; k < p->n_steps; k++)
        for (int32_t i = 0; i < p->steps[k].c.n_in; i++) {
            const plan_pack *pack = p->steps[k].packed[i];
            if (pack && !value_same(pack->from, pack->of))
                reads[pack->of.node * MAX_OUT + pack->of.out]--;
        }
    for (int32_t k = 0; k < p->n_load; k++)
        p->steps[k].skipped |=
            p->steps[k].node->op->converts && !reads[p->steps[k].node->id * MAX_OUT];
    place_renewals(p);
    p->peak_bytes[TAG_PACKED] += p->packed_bytes;
    return packs_place(p);
}

static status make_scratch(plan *p) {
    int64_t reference = 0;
    for (int32_t k = 0; k < p->n_steps; k++) {
        plan_step *s = &p->steps[k];
        const kernel_def *kernel = s->chosen.kernel;
        if (s->skipped) continue;
        if (!kernel)
            reference = MAX_OF(reference, plan_reference_bytes(s));
        else if (kernel->scratch_bytes)
            p->thread_scratch_bytes = MAX_OF(p->thread_scratch_bytes, kernel->scratch_bytes(&s->c));
    }
    p->thread_scratch_bytes = round_up(p->thread_scratch_bytes, 4096);
    p->scratch_bytes = reference + p->thread_scratch_bytes * pool_threads(p->pool);
    p->peak_bytes[TAG_SCRATCH] += p->scratch_bytes;
    if (p->options.dry_run) return STATUS_OK;
    p->reference_scratch = context_alloc(p->cx, (size_t)reference);
    p->thread_scratch =
        context_alloc(p->cx, (size_t)(p->thread_scratch_bytes * pool_threads(p->pool)));
    return p->reference_scratch && p->thread_scratch ? STATUS_OK : STATUS_NO_MEMORY;
}

static status build(plan *p, arena *mem) {
    int32_t *order, *reads = count_reads(p->g, mem);
    if (!reads) return STATUS_NO_MEMORY;
    TRY(order_nodes(p->g, p->options.keep_order, mem, &order));
    TRY(make_tensors(p));
    for (int pass = 0; pass < 2; pass++) {
        for (int32_t i = 0; i < p->g->n_nodes; i++) {
            const node *n = p->g->nodes[order[i]];
            if (op_is_leaf(n->op) || (n->phase == PHASE_LOAD) != (pass == 0)) continue;
            if (!is_needed(n, reads)) continue;
            TRY(make_step(p, n, reads));
        }
        if (pass == 0) p->n_load = p->n_steps;
    }
    TRY(want_packs(p, reads, mem));
    TRY(plan_build_memory(p, reads));
    return make_scratch(p);
}

status plan_new(context *cx, const graph *g, states *store, pool *workers,
                const plan_options *options, plan **out) {
    *out = NULL;
    TRY(graph_verify(g));
    plan *p = context_zalloc(cx, sizeof *p);
    if (!p) return STATUS_NO_MEMORY;
    *p = (plan){.cx = cx,
                .mem = arena_make(cx),
                .g = g,
                .store = store,
                .pool = workers,
                .options = *options,
                .pack_fd = -1,
                .f64 = num_find("f64")};
    arena mem = arena_make(cx);
    status st = build(p, &mem);
    arena_free(&mem);
    if (st != STATUS_OK)
        plan_free(p);
    else
        *out = p;
    return st;
}

void plan_free(plan *p) {
    if (!p) return;
    context *cx = p->cx;
    packs_free(p);
    context_release(cx, p->memory);
    context_release(cx, p->reference_scratch);
    context_release(cx, p->thread_scratch);
    arena_free(&p->mem);
    context_release(cx, p);
}
