/* Attention over keys that came in earlier steps (rewrite/paged.h). */
#include "rewrite/paged.h"
#include "ops/attention.h"
#include "ops/gather.h"
#include <stdio.h>

/* What a caller that names no options gets: small enough for any test graph. */
static const paged_options plain = {.page = 16, .pages = 64, .table = 16};

static const paged_options *options_of(const rewriting *r) {
    return r->options ? r->options : &plain;
}

static value input_once(graph *g, const char *name, int32_t rank, const extent *dim) {
    value there = graph_find(g, name);
    return value_absent(there) ? graph_input(g, name, type_of(num_find("i32"), rank, dim)) : there;
}

/* The next version of the state that holds what `rows` hold of this and earlier steps. */
static value cached(rewriting *r, value rows, value slots, int32_t number, const char *what) {
    const paged_options *o = options_of(r);
    type t = *value_type(r->to, rows);
    char name[32];
    snprintf(name, sizeof name, "kv.%d.%s", number, what);
    t.dim[0] = extent_of(o->pages * o->page);
    if (o->format) t.format = o->format;
    value state = graph_state(r->to, name, t, TAG_KV);
    if (value_absent(state)) return state;
    return graph_name(r->to, build_put_rows(r->to, state, slots, rows), "%s", name);
}

static int32_t attentions_before(const rewriting *r, const node *n) {
    int32_t count = 0;
    for (int32_t i = 0; i < n->id; i++) count += r->from->nodes[i]->op == n->op;
    return count;
}

static bool visit(rewriting *r, const node *n) {
    const paged_options *o = options_of(r);
    if (n->op != &op_attention || !value_absent(n->in[ATTENTION_K_OFFSETS])) return false;
    attention_params p = *(const attention_params *)n->params;
    int32_t number = attentions_before(r, n);
    if (!p.causal) {
        value failed = graph_fail(r->to, STATUS_UNSUPPORTED,
                                  "attention %d lets queries see later keys, so earlier steps "
                                  "cannot be kept: run the whole sequence at once",
                                  number);
        rewriting_set(r, (value){n->id, 0}, failed);
        return true;
    }
    value in[ATTENTION_OPERANDS];
    for (int32_t i = 0; i < ATTENTION_OPERANDS; i++)
        in[i] = i < n->n_in ? rewriting_get(r, n->in[i]) : NO_VALUE;
    extent tokens = value_type(r->to, in[ATTENTION_Q])->dim[0];
    extent bounds = value_type(r->to, in[ATTENTION_Q_OFFSETS])->dim[0];
    extent lines[2] = {extent_affine(bounds.sym, bounds.mul, bounds.add - 1), extent_of(o->table)};
    value slots = input_once(r->to, "slots", 1, &tokens);
    in[ATTENTION_K_OFFSETS] = input_once(r->to, "k_offsets", 1, &bounds);
    in[ATTENTION_TABLE] = input_once(r->to, "table", 2, lines);
    in[ATTENTION_K] = cached(r, in[ATTENTION_K], slots, number, "k");
    in[ATTENTION_V] = cached(r, in[ATTENTION_V], slots, number, "v");
    p.page = o->page;
    value y = build_attention(r->to, &p, in);
    rewriting_set(r, (value){n->id, 0}, y);
    rewriting_set(r, (value){n->id, 1}, value_absent(y) ? y : (value){y.node, 1});
    return true;
}

const rewrite_def rewrite_paged = {
    .name = "paged",
    .help = "keeps keys and values of attention in pages, so that sequences can be continued",
    .forbids = GRAPH_DIFFERENTIATED,
    .tolerance =
        1e-2, /* of keys and values rounded to bf16 or int8; none where they keep their format */
    .visit = visit,
};
