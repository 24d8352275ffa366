/* The layers' products on whole numbers: rows of activations and weights are rounded to int8, each under one scale of
 * its own (int8_row: a scale for each token and each output) or all under one (int8_tensor), and multiplied without
 * unpacking (Dettmers et al., "LLM.int8()", 2022; Xiao et al., "SmoothQuant", 2023). Weights are rounded once, in the
 * load phase; those that are int8 already stay. One scale for all rows of a batch makes what a sequence gets depend on
 * who else is there, so that it is for measuring and not for serving. */
#include "rewrite/w8a8.h"
#include "ops/cast.h"
#include "ops/matmul.h"
#include <string.h>

typedef struct w8a8 {
    const num_format *format;
    value *rounded; /* by slot of the rows */
} w8a8;

static bool is_layer_product(const rewriting *r, const node *n) {
    if (n->op != &op_matmul || n->region <= 0) return false;
    const value b = n->in[MATMUL_B];
    return value_type(r->from, n->in[MATMUL_A])->format->kind == NUM_FLOAT &&
           !((const matmul_params *)n->params)->trans_a && value_type(r->from, b)->rank == 2 &&
           value_node(r->from, b)->phase == PHASE_LOAD;
}

static status begin(rewriting *r) {
    const w8a8_options *o = r->options;
    w8a8 *own = ARENA_NEW(r->mem, w8a8, 1);
    if (!own) return STATUS_NO_MEMORY;
    own->format = o && o->format ? o->format : num_find("int8_row");
    own->rounded = ARENA_NEW(r->mem, value, rewriting_slots(r) + 1);
    if (!own->rounded) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < rewriting_slots(r); i++) own->rounded[i] = NO_VALUE;
    r->own = own;
    for (int32_t id = 0; id < r->from->n_nodes; id++) {
        const node *n = r->from->nodes[id];
        if (is_layer_product(r, n) && !((const matmul_params *)n->params)->trans_b &&
            own->format->row_head_bytes && !own->format->pack_tensor)
            return context_fail(r->from->cx, STATUS_UNSUPPORTED,
                                "weights that lie [inputs, outputs] have no scale for each output");
    }
    return STATUS_OK;
}

static value rounded_weights(rewriting *r, value w, const num_format *format) {
    graph *g = r->to;
    phase phase_before = g->phase;
    tag tag_before = g->tag;
    g->phase = PHASE_LOAD;
    g->tag = TAG_PACKED;
    w = build_quantise(g, w, format);
    g->phase = phase_before;
    g->tag = tag_before;
    return w;
}

static bool visit(rewriting *r, const node *n) {
    w8a8 *own = r->own;
    if (!is_layer_product(r, n)) return false;
    const num_format *stored = value_type(r->from, n->in[MATMUL_B])->format;
    if (stored->kind != NUM_FLOAT && stored != own->format) return false;
    matmul_params p = *(const matmul_params *)n->params;
    value in[4] = {NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE};
    for (int32_t i = 0; i < n->n_in; i++) in[i] = rewriting_get(r, n->in[i]);
    value *rows = &own->rounded[rewriting_slot(r, n->in[MATMUL_A])];
    if (value_absent(*rows)) *rows = build_quantise(r->to, in[MATMUL_A], own->format);
    in[MATMUL_A] = *rows;
    if (stored != own->format) in[MATMUL_B] = rounded_weights(r, in[MATMUL_B], own->format);
    p.format = n->out[0].format;
    value y = graph_add(r->to, &op_matmul, &p, 4, in);
    rewriting_set(r, (value){n->id, 0}, n->name ? graph_name(r->to, y, "%s", n->name) : y);
    return true;
}

const rewrite_def rewrite_w8a8 = {
    .name = "w8a8",
    .help = "rounds rows and weights of the layers' products to int8",
    .forbids = GRAPH_DIFFERENTIATED,
    .tolerance = 6e-2, /* 1/127 of the largest value of a row, on both sides of each product */
    .begin = begin,
    .visit = visit,
};
