/* Mixed precision: what is bound by dot products is computed on 16 bits, what needs range and small differences stays
 * in f32 (Micikevicius et al., "Mixed precision training"; bf16: Kalamkar et al.).
 *   DOT   operands become narrow, sums stay f32, the result is narrow where all its readers bear that
 *   WIDE  reads and writes as before, but for operands that bear 16 bits (narrow_in)
 *   ANY   follows its operands; constants beside a narrow operand (a bias) become narrow with it
 * An op with a `format` (a norm, an embedding) writes 16 bits straight away where only dots read it. So the residual
 * stream stays wide: it is the sum of a wide operand and a narrow one.
 * States keep their format. Their narrow copies are of the load phase, once for all products, and the gradient that
 * comes back through them is f32: masters in f32, bf16 for the products. States that the graph writes (KV pages)
 * and marked values stay as they are. */
#include "rewrite/precision.h"
#include "ops/cast.h"
#include <string.h>

/* By slot of the old graph. */
typedef struct reading {
    bool bears; /* no reader would have to widen it again */
    bool wants; /* every reader would narrow it */
    bool marked, written;
    value narrow; /* the 16 bit copy of what it is mapped to, once one is made */
} reading;

typedef struct precision {
    const num_format *format;
    reading *of;
} precision;

static const num_format *format_of(const rewriting *r, value v) {
    return value_type(r->to, v)->format;
}

static reading *reading_of(const rewriting *r, value from) {
    return &((precision *)r->own)->of[rewriting_slot(r, from)];
}

static bool writes(const op_def *op) {
    for (int32_t o = 0; o < op->n_out; o++)
        if (op->writes[o]) return true;
    return false;
}

/* Whether operand i of a dot or wide op may come in 16 bits. */
static bool takes_narrow(const node *n, int32_t i) {
    return n->op->n_in >= 0 && (n->op->narrow_in >> i & 1);
}

/* A dot over a format with shared scales is left to the kernels of that format (sparse floats share none). */
static bool is_dot(const graph *g, const node *n) {
    if (n->op->precision != PRECISION_DOT) return false;
    for (int32_t i = 0; i < n->n_in; i++) {
        const num_format *f = value_absent(n->in[i]) ? NULL : value_type(g, n->in[i])->format;
        if (f && f->kind == NUM_BLOCK && !f->kept) return false;
    }
    return true;
}

static void read_by(const rewriting *r, const node *n) {
    bool outputs_wanted = true;
    for (int32_t o = 0; o < n->n_out; o++)
        outputs_wanted &= reading_of(r, (value){n->id, o})->wants;
    for (int32_t i = 0; i < n->n_in; i++) {
        if (!node_reads(n, i)) continue;
        reading *x = reading_of(r, n->in[i]);
        bool any = n->op->precision == PRECISION_ANY && !writes(n->op);
        x->bears &= any || takes_narrow(n, i);
        x->wants &= any ? outputs_wanted : is_dot(r->from, n) && takes_narrow(n, i);
    }
}

static status begin(rewriting *r) {
    const precision_options *options = r->options;
    precision *own = ARENA_NEW(r->mem, precision, 1);
    if (!own) return STATUS_NO_MEMORY;
    own->format = options && options->format ? options->format : num_find("bf16");
    if (own->format->kind != NUM_FLOAT || own->format->block_bytes != 2)
        return context_fail(r->from->cx, STATUS_BAD_ARGUMENT,
                            "products are computed in bf16 or f16, not in %s", own->format->name);
    own->of = ARENA_NEW(r->mem, reading, rewriting_slots(r) + 1);
    if (!own->of) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < rewriting_slots(r); i++)
        own->of[i] = (reading){.bears = true, .wants = r->uses[i] > 0, .narrow = NO_VALUE};
    r->own = own;
    for (int32_t i = 0; i < r->from->n_marks; i++) {
        reading *x = reading_of(r, r->from->marks[i].at);
        x->bears = x->wants = false;
        x->marked = true;
    }
    for (int32_t id = r->from->n_nodes - 1; id >= 0; id--) {
        const node *n = r->from->nodes[id];
        for (int32_t o = 0; o < n->n_out; o++)
            if (n->op->writes[o])
                reading_of(r, graph_storage(r->from, (value){id, o}))->written = true;
        read_by(r, n);
    }
    return STATUS_OK;
}

/* ---- operands ---- */
static value cast_like(rewriting *r, value v, const num_format *format) {
    graph *g = r->to;
    bool constant = value_node(g, v)->phase == PHASE_LOAD;
    phase phase_before = g->phase;
    tag tag_before = g->tag;
    if (constant) g->phase = PHASE_LOAD, g->tag = TAG_PACKED;
    v = build_cast(g, v, format);
    g->phase = phase_before;
    g->tag = tag_before;
    return v;
}

static bool is_constant(const rewriting *r, value from) {
    return value_node(r->to, rewriting_get(r, from))->phase == PHASE_LOAD &&
           !reading_of(r, graph_storage(r->from, from))->written;
}

static value narrowed(rewriting *r, value from) {
    value v = rewriting_get(r, from);
    const num_format *narrow = ((precision *)r->own)->format;
    if (value_absent(v) || format_of(r, v)->kind != NUM_FLOAT || format_of(r, v) == narrow)
        return v;
    if (reading_of(r, graph_storage(r->from, from))->written) return v;
    reading *x = reading_of(r, from);
    if (value_absent(x->narrow)) x->narrow = cast_like(r, v, narrow);
    return x->narrow;
}

/* In the format of the old graph again. */
static value restored(rewriting *r, value from) {
    value v = rewriting_get(r, from);
    if (value_absent(v)) return v;
    const num_format *was = value_type(r->from, from)->format;
    return format_of(r, v) == was ? v : cast_like(r, v, was);
}

/* ---- nodes ---- */
/* The parameters with `format` set so that the result comes in it; unchanged where the op has no say. */
static const void *params_with(rewriting *r, const node *n, const num_format *format) {
    for (const field *f = n->op->fields; f && f->name; f++) {
        if (f->kind != FIELD_FORMAT || strcmp(f->name, "format")) continue;
        char *copy = arena_alloc(r->mem, n->op->params_bytes);
        if (!copy) return NULL;
        memcpy(copy, n->params, n->op->params_bytes);
        memcpy(copy + f->offset, &format, sizeof(const num_format *));
        return copy;
    }
    return n->params;
}

static value build(rewriting *r, const node *n, const void *params, const value *in) {
    if (n->op->params_bytes && !params)
        return graph_fail(r->to, STATUS_NO_MEMORY, "parameters of %s", n->op->name);
    value v = graph_add(r->to, n->op, params, n->n_in, in);
    return n->name ? graph_name(r->to, v, "%s", n->name) : v;
}

static void map_outputs(rewriting *r, const node *n, value v) {
    for (int32_t o = 0; o < n->n_out && !value_absent(v); o++) {
        value at = {v.node, v.out + o};
        bool moved = format_of(r, at) != n->out[o].format;
        if (moved && reading_of(r, (value){n->id, o})->marked)
            at = cast_like(r, at, n->out[o].format);
        rewriting_set(r, (value){n->id, o}, at);
    }
}

/* Whether the op takes these operands, and the format of its first output then. */
static const num_format *result_format(const rewriting *r, const node *n, value *in) {
    type out[MAX_OUT];
    node as_if = *n;
    as_if.in = in;
    memset(out, 0, sizeof out);
    if (n->op->shape(r->to, &as_if, out) == STATUS_OK) return out[0].format;
    context_clear(r->to->cx);
    return NULL;
}

/* Operands as they come; with constants narrowed, where that makes the result narrow; else all as they were. */
static void choose_operands(rewriting *r, const node *n, value *in) {
    const num_format *narrow = ((precision *)r->own)->format;
    bool some = false, constants = false;
    value with[MAX_IN];
    for (int32_t i = 0; i < n->n_in; i++) {
        with[i] = in[i] = rewriting_get(r, n->in[i]);
        if (value_absent(in[i]) || format_of(r, in[i])->kind != NUM_FLOAT) continue;
        some |= format_of(r, in[i]) == narrow && value_type(r->from, n->in[i])->format != narrow;
        constants |= is_constant(r, n->in[i]);
    }
    const num_format *as_is = some ? result_format(r, n, in) : narrow;
    if (as_is == narrow) return;
    for (int32_t i = 0; i < n->n_in && constants; i++)
        if (!value_absent(in[i]) && is_constant(r, n->in[i])) with[i] = narrowed(r, n->in[i]);
    if (constants && result_format(r, n, with) == narrow)
        memcpy(in, with, sizeof with);
    else if (!as_is)
        for (int32_t i = 0; i < n->n_in; i++) in[i] = restored(r, n->in[i]);
}

static bool visit(rewriting *r, const node *n) {
    const precision *own = r->own;
    const reading *y = reading_of(r, (value){n->id, 0});
    value in[MAX_IN];
    if (op_is_leaf(n->op)) return false;
    bool dot = is_dot(r->from, n), any = n->op->precision == PRECISION_ANY && !writes(n->op);
    if (any) choose_operands(r, n, in);
    for (int32_t i = 0; i < n->n_in && !any; i++)
        in[i] = dot && takes_narrow(n, i) ? narrowed(r, n->in[i])
                : takes_narrow(n, i)      ? rewriting_get(r, n->in[i])
                                          : restored(r, n->in[i]);
    bool is_float = n->out[0].format->kind == NUM_FLOAT;
    bool narrow = is_float && (dot ? y->bears : y->wants);
    const void *params =
        is_float ? params_with(r, n, narrow ? own->format : n->out[0].format) : n->params;
    bool nothing = n->op->converts && narrow && format_of(r, in[0]) == own->format;
    value v = nothing ? in[0] : build(r, n, params, in);
    if (!nothing && !value_absent(v)) value_node(r->to, v)->pinned = n->pinned;
    map_outputs(r, n, v);
    return true;
}

const rewrite_def rewrite_precision = {
    .name = "precision",
    .help = "computes products on 16 bits, with f32 sums, masters and residual stream",
    .forbids = GRAPH_DIFFERENTIATED | GRAPH_FUSED,
    .ensures = GRAPH_NARROWED,
    .tolerance = 3e-2, /* a few roundings to 8 bits */
    .begin = begin,
    .visit = visit,
};
