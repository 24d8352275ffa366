/* The public engine over the floors below: every call finds its graph or plan, turns names into
 * values, and leaves the words of an error in the context. */
#include "api/handle.h"
#include "base/rng.h"
#include "exec/plan.h"
#include "graph/params.h"
#include "graph/rewrite.h"
#include <stdio.h>
#include <string.h>

/* The input that counts updates, from 1; hone_run sets it. */
#define STEP_INPUT "adamw.step"

struct hone_graph {
    hone_context *h;
    graph *g;
    uint32_t facts;
};
struct hone_plan {
    hone_graph *g;
    states *store;
    pool *workers;
    plan *p;
    int64_t symbols[MAX_SYMBOLS];
    uint64_t steps;
    bool dirty; /* parameters changed from outside since they were packed */
};

hone_graph *hone_graph_new(hone_context *h) {
    hone_graph *g = context_zalloc(h->cx, sizeof *g);
    if (!g) return NULL;
    g->h = h;
    g->g = graph_new(h->cx);
    if (g->g) return g;
    context_release(h->cx, g);
    return NULL;
}

void hone_graph_free(hone_graph *g) {
    if (!g) return;
    graph_free(g->g);
    context_release(g->h->cx, g);
}

int64_t hone_symbol(hone_graph *g, const char *name, int64_t bound) {
    return -(int64_t)graph_symbol(g->g, name, bound);
}

static value make_leaf(hone_graph *g, const char *name, const char *format, int rank,
                       const int64_t *extents, bool is_state) {
    const num_format *f = num_find(format);
    if (!f)
        return graph_fail(g->g, STATUS_BAD_ARGUMENT, "'%s': there is no format '%s'", name, format);
    if (rank < 0 || rank > MAX_RANK)
        return graph_fail(g->g, STATUS_BAD_ARGUMENT, "'%s': rank %d is not in 0..%d", name, rank,
                          MAX_RANK);
    extent dim[MAX_RANK];
    for (int32_t d = 0; d < rank; d++) {
        if (extents[d] < -g->g->n_symbols)
            return graph_fail(g->g, STATUS_BAD_ARGUMENT,
                              "'%s': extent %d is %lld, which is no symbol", name, d,
                              (long long)extents[d]);
        dim[d] = extents[d] < 0 ? extent_symbol((int32_t)-extents[d]) : extent_of(extents[d]);
    }
    type t = type_of(f, rank, dim);
    return is_state ? graph_state(g->g, name, t, TAG_PARAMETER) : graph_input(g->g, name, t);
}

static hone_value to_public(value v) {
    return (hone_value){v.node, v.out};
}

static value from_public(hone_value v) {
    return (value){v.node, v.out};
}

hone_value hone_input(hone_graph *g, const char *name, const char *format, int rank,
                      const int64_t *extents) {
    return to_public(make_leaf(g, name, format, rank, extents, false));
}

hone_value hone_parameter(hone_graph *g, const char *name, const char *format, int rank,
                          const int64_t *extents) {
    return to_public(make_leaf(g, name, format, rank, extents, true));
}

hone_value hone_apply(hone_graph *g, const char *op, const char *parameters, int n,
                      const hone_value *operands) {
    value in[MAX_IN];
    for (int i = 0; i < n && i < MAX_IN; i++) in[i] = from_public(operands[i]);
    return to_public(graph_apply(g->g, op, parameters, n, in));
}

void hone_output(hone_graph *g, const char *name, hone_value v) {
    graph_mark(g->g, MARK_OUTPUT, name, from_public(v), NO_VALUE);
}

void hone_loss(hone_graph *g, hone_value v) {
    graph_mark(g->g, MARK_LOSS, "loss", from_public(v), NO_VALUE);
}

hone_status hone_check(const hone_graph *g) {
    return status_public(graph_status(g->g));
}

static hone_status run_rewrite(hone_graph *g, const char *name) {
    graph *next;
    if (hone_check(g)) return hone_check(g);
    status st = rewrite_run(rewrite_find(name), g->g, NULL, &g->facts, &next);
    if (st != STATUS_OK) {
        g->g->st = st;
        return status_public(st);
    }
    graph_free(g->g);
    g->g = next;
    return HONE_OK;
}

hone_status hone_differentiate(hone_graph *g) {
    return run_rewrite(g, "autodiff");
}

hone_status hone_fuse(hone_graph *g) {
    return run_rewrite(g, "fuse");
}

/* One update per gradient: moments as states "NAME.m" and "NAME.v". */
hone_status hone_adamw(hone_graph *g, double beta1, double beta2, double epsilon,
                       double weight_decay) {
    graph *to = g->g;
    char params[160], name[256];
    snprintf(params, sizeof params, "beta1=%.17g, beta2=%.17g, eps=%.17g, decay=%.17g", beta1,
             beta2, epsilon, weight_decay);
    if (!hone_check(g) && !(g->facts & GRAPH_DIFFERENTIATED))
        (void)graph_fail(to, STATUS_BAD_ARGUMENT, "hone_adamw comes after hone_differentiate");
    const num_format *f32 = num_find("f32");
    value lr = graph_input(to, "lr", type_of(f32, 0, NULL));
    value step = graph_input(to, STEP_INPUT, type_of(num_find("i32"), 0, NULL));
    int32_t n_marks = to->n_marks;
    to->phase = PHASE_UPDATE;
    for (int32_t i = 0; i < n_marks && !hone_check(g); i++) {
        mark m = to->marks[i];
        if (m.kind != MARK_GRADIENT) continue;
        type t = *value_type(to, m.of);
        t.format = f32;
        snprintf(name, sizeof name, "%s.m", m.name);
        value moment = graph_state(to, name, t, TAG_OPTIMISER);
        snprintf(name, sizeof name, "%s.v", m.name);
        value variance = graph_state(to, name, t, TAG_OPTIMISER);
        value in[] = {m.of, moment, variance, m.at, lr, step};
        value next = graph_apply(to, "adamw", params, 6, in);
        for (int32_t o = 0; o < 3 && !value_absent(next); o++)
            graph_mark(to, MARK_NEXT, NULL, (value){next.node, o}, in[o]);
    }
    to->phase = PHASE_FORWARD;
    return hone_check(g);
}

static status make_plan(hone_plan *p, const hone_plan_options *options) {
    context *cx = p->g->h->cx;
    plan_options o = {.isa_limit = ISA_COUNT - 1};
    if (options && options->isa && !cpu_isa_find(options->isa, &o.isa_limit))
        return context_fail(cx, STATUS_BAD_ARGUMENT, "there is no instruction set '%s'",
                            options->isa);
    TRY(graph_status(p->g->g));
    TRY(pool_new(cx, options ? options->threads : 0, &p->workers));
    p->store = states_new(cx);
    if (!p->store) return STATUS_NO_MEMORY;
    TRY(plan_new(cx, p->g->g, p->store, p->workers, &o, &p->p));
    for (int32_t i = 1; i <= p->g->g->n_symbols; i++) p->symbols[i] = p->g->g->symbols[i].bound;
    p->dirty = true;
    return STATUS_OK;
}

hone_plan *hone_plan_new(hone_graph *g, const hone_plan_options *options) {
    hone_plan *p = context_zalloc(g->h->cx, sizeof *p);
    if (!p) return NULL;
    p->g = g;
    if (make_plan(p, options) == STATUS_OK) return p;
    hone_plan_free(p);
    return NULL;
}

void hone_plan_free(hone_plan *p) {
    if (!p) return;
    plan_free(p->p);
    states_free(p->store);
    pool_free(p->workers);
    context_release(p->g->h->cx, p);
}

int64_t hone_plan_bytes(const hone_plan *p) {
    return p->p->planned_bytes + p->p->packed_bytes + p->p->scratch_bytes;
}

/* The tensor that `name` means: an input, an output, "grad.NAME" or a parameter. */
static const tensor *find_tensor(const hone_plan *p, const char *name, bool to_write) {
    const graph *g = p->g->g;
    bool is_gradient = !strncmp(name, "grad.", 5);
    for (int32_t i = 0; i < g->n_marks && !to_write; i++) {
        const mark *m = &g->marks[i];
        if (!m->name || (m->kind == MARK_GRADIENT) != is_gradient) continue;
        if (!strcmp(m->name, is_gradient ? name + 5 : name)) return plan_tensor(p->p, m->at);
    }
    value v = graph_find(g, name);
    if (!value_absent(v)) return plan_tensor(p->p, v);
    (void)context_fail(g->cx, STATUS_BAD_ARGUMENT, "there is no %s '%s'",
                       to_write ? "input or parameter" : "output, gradient or parameter", name);
    return NULL;
}

static const tensor *find_checked(const hone_plan *p, const char *name, int64_t count,
                                  bool to_write, bool ids) {
    const tensor *t = find_tensor(p, name, to_write);
    if (!t) return NULL;
    context *cx = p->g->h->cx;
    if ((t->format->kind == NUM_INDEX) != ids)
        (void)context_fail(cx, STATUS_BAD_ARGUMENT, "'%s' holds %s (%s)", name,
                           ids ? "numbers" : "whole numbers", t->format->name);
    else if (tensor_elems(t) != count)
        (void)context_fail(cx, STATUS_BAD_ARGUMENT, "'%s' has %lld elements, not %lld", name,
                           (long long)tensor_elems(t), (long long)count);
    else
        return t;
    return NULL;
}

/* What went wrong last, which has been said in the context. */
static hone_status failed(const hone_plan *p) {
    return hone_error_status(p->g->h);
}

hone_status hone_set(hone_plan *p, const char *name, const float *numbers, int64_t count) {
    const tensor *t = find_checked(p, name, count, true, false);
    if (!t) return failed(p);
    tensor_rows rows = tensor_rows_of(t);
    for (int64_t r = 0; r < rows.count; r++)
        t->format->pack(numbers + r * rows.elems, rows.elems, (char *)t->data + r * rows.bytes);
    p->dirty |= value_node(p->g->g, graph_find(p->g->g, name))->op == &op_state;
    return HONE_OK;
}

hone_status hone_set_ids(hone_plan *p, const char *name, const int32_t *ids, int64_t count) {
    const tensor *t = find_checked(p, name, count, true, true);
    if (!t) return failed(p);
    for (int64_t i = 0; i < count; i++) {
        int64_t wide = ids[i];
        t->format->pack_index(&wide, 1, (char *)t->data + i * t->format->block_bytes);
    }
    return HONE_OK;
}

hone_status hone_randomise(hone_plan *p, const char *name, double deviation, uint64_t seed) {
    const tensor *t = find_tensor(p, name, true);
    if (!t) return failed(p);
    rng r = rng_make(seed, rng_stream(name));
    tensor_rows rows = tensor_rows_of(t);
    double *numbers = context_alloc(p->g->h->cx, (size_t)rows.elems * sizeof *numbers);
    if (!numbers) return failed(p);
    for (int64_t i = 0; i < rows.count; i++) {
        for (int64_t j = 0; j < rows.elems; j++) numbers[j] = deviation * rng_normal(&r);
        num_pack_f64(t->format, numbers, rows.elems, (char *)t->data + i * rows.bytes);
    }
    context_release(p->g->h->cx, numbers);
    p->dirty = true;
    return HONE_OK;
}

hone_status hone_bind(hone_plan *p, const char *name, int64_t to) {
    const graph *g = p->g->g;
    for (int32_t i = 1; i <= g->n_symbols; i++) {
        if (strcmp(g->symbols[i].name, name)) continue;
        int64_t before = p->symbols[i];
        p->symbols[i] = to;
        if (plan_bind(p->p, p->symbols) == STATUS_OK) return HONE_OK;
        p->symbols[i] = before;
        return failed(p);
    }
    (void)context_fail(g->cx, STATUS_BAD_ARGUMENT, "there is no symbol '%s'", name);
    return failed(p);
}

hone_status hone_run(hone_plan *p) {
    if (p->dirty && plan_load(p->p) != STATUS_OK) return failed(p);
    p->dirty = false;
    value step = graph_find(p->g->g, STEP_INPUT);
    if (!value_absent(step)) *(int32_t *)plan_tensor(p->p, step)->data = (int32_t)p->steps + 1;
    plan_run(p->p, p->steps++);
    return HONE_OK;
}

hone_status hone_get(const hone_plan *p, const char *name, float *numbers, int64_t count) {
    const tensor *t = find_checked(p, name, count, false, false);
    if (!t) return failed(p);
    tensor_rows rows = tensor_rows_of(t);
    for (int64_t r = 0; r < rows.count; r++)
        t->format->unpack((char *)t->data + r * rows.bytes, 0, rows.elems,
                          numbers + r * rows.elems);
    return HONE_OK;
}
