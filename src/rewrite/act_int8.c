/* Rounds the activations of products with quantised weights to int8_g32, each row in blocks of 32 under one scale, as
 * llama.cpp does (its Q8_0). Weights then meet whole numbers, which integer dot products need; the rounding is an op
 * of the graph like any other, so that references and kernels compute the same thing. Values that several products
 * read are rounded once. Only weights whose codes are whole numbers (kern/kit/quants.h), rows along K, are meant. */
#include "graph/rewrite.h"
#include "kern/kit/quants.h"
#include "ops/cast.h"
#include "ops/matmul.h"

static status begin(rewriting *r) {
    value *rounded = ARENA_NEW(r->mem, value, rewriting_slots(r) + 1);
    if (!rounded) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < rewriting_slots(r); i++) rounded[i] = NO_VALUE;
    r->own = rounded;
    return STATUS_OK;
}

static bool visit(rewriting *r, const node *n) {
    if (n->op != &op_matmul) return false;
    matmul_params p = *(const matmul_params *)n->params;
    const type *a = value_type(r->from, n->in[MATMUL_A]), *b = value_type(r->from, n->in[MATMUL_B]);
    if (a->format->kind != NUM_FLOAT || p.trans_a || !p.trans_b || b->rank != 2) return false;
    if (!quants_find(quants_int8, b->format)) return false;
    value in[4] = {NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE};
    for (int32_t i = 0; i < n->n_in; i++) in[i] = rewriting_get(r, n->in[i]);
    value *rounded = (value *)r->own + rewriting_slot(r, n->in[MATMUL_A]);
    if (value_absent(*rounded))
        *rounded = build_quantise(r->to, in[MATMUL_A], num_find("int8_g32"));
    in[MATMUL_A] = *rounded;
    p.format = n->out[0].format;
    value y = graph_add(r->to, &op_matmul, &p, 4, in);
    rewriting_set(r, (value){n->id, 0}, n->name ? graph_name(r->to, y, "%s", n->name) : y);
    return true;
}

const rewrite_def rewrite_act_int8 = {
    .name = "act_int8",
    .help = "rounds what meets quantised weights to int8, in blocks of 32",
    .forbids = GRAPH_DIFFERENTIATED,
    .tolerance = 3e-2, /* half of 1/127 of the largest of 32 values, in each product */
    .begin = begin,
    .visit = visit,
};
