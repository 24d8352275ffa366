/* Which matrices are products of rows, which of them read the same rows, and where scales of those rows can go: read
 * from the plain graph, so that no architecture is known here. */
#include "compress/kit/compress.h"
#include "ops/attention.h"
#include "ops/binary.h"
#include "ops/gated_mlp.h"
#include "ops/grouped_matmul.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/scale.h"

typedef struct finding {
    compress *c;
    const graph *g;
    int32_t *uses;   /* by node: how many operands read it */
    value *of_input; /* by input: the rows */
} finding;

static bool is_parameter(const graph *g, value v) {
    return !value_absent(v) && value_node(g, v)->op == &op_state &&
           value_node(g, v)->tag == TAG_PARAMETER;
}

static weight *parameter(const finding *f, value v) {
    return is_parameter(f->g, v) ? weights_find(f->c, value_node(f->g, v)->name) : NULL;
}

static bool is_product(const graph *g, const node *n) {
    return n->op == &op_matmul && n->region > 0 && is_parameter(g, n->in[MATMUL_B]) &&
           value_type(g, n->in[MATMUL_B])->rank == 2;
}

/* The product whose rows (with its bias) v is, or NULL; all of them have one reader. */
static const node *product_of(const finding *f, value v, weight **bias) {
    const node *n = value_node(f->g, v);
    *bias = NULL;
    if (f->uses[n->id] != 1) return NULL;
    if (n->op == &op_add && is_parameter(f->g, n->in[1])) {
        *bias = parameter(f, n->in[1]);
        n = value_node(f->g, n->in[0]);
        if (f->uses[n->id] != 1) return NULL;
    }
    return is_product(f->g, n) ? n : NULL;
}

static void fold_into_rows(const finding *f, value from, product_input *in) {
    weight *bias;
    const node *n = product_of(f, from, &bias);
    if (!n || value_type(f->g, from)->dim[1].add != in->k) return;
    in->fold = FOLD_ROWS;
    in->gain = parameter(f, n->in[MATMUL_B]);
    in->bias = bias;
}

/* `readers`: products that read the rows; scales fold only where nobody else does. */
static void find_fold(const finding *f, value rows, int32_t readers, product_input *in) {
    const node *n = value_node(f->g, rows);
    if (f->uses[n->id] != readers) return;
    if (n->op == &op_gated_mlp) fold_into_rows(f, n->in[GATED_MLP_UP], in);
    if (n->op == &op_attention) fold_into_rows(f, n->in[ATTENTION_V], in);
    if (n->op != &op_rms_norm && n->op != &op_layer_norm) return;
    value gain = n->in[NORM_W];
    if (value_absent(gain)) return;
    in->gain_plus_one = value_node(f->g, gain)->op == &op_scale;
    if (in->gain_plus_one) gain = value_node(f->g, gain)->in[0];
    in->gain = parameter(f, gain);
    if (n->op == &op_layer_norm) in->bias = parameter(f, n->in[NORM_B]);
    in->fold = in->gain ? FOLD_NORM : FOLD_NONE;
}

static int32_t input_of(finding *f, const node *n, int64_t k) {
    compress *c = f->c;
    value rows = n->in[MATMUL_A];
    for (int64_t i = 0; i < c->n_inputs; i++)
        if (value_same(f->of_input[i], rows)) return (int32_t)i;
    f->of_input[c->n_inputs] = rows;
    c->inputs[c->n_inputs] = (product_input){.layer = n->region - 1, .k = k};
    return (int32_t)c->n_inputs++;
}

static void count_uses(finding *f) {
    for (int32_t id = 0; id < f->g->n_nodes; id++) {
        const node *n = f->g->nodes[id];
        for (int32_t i = 0; i < n->n_in; i++)
            if (!value_absent(n->in[i])) f->uses[n->in[i].node]++;
    }
}

static status find(finding *f) {
    compress *c = f->c;
    c->n_products = c->n_inputs = 0;
    c->experts = false;
    c->products = ARENA_NEW(c->memory, product, c->n_weights + 1);
    c->inputs = ARENA_NEW(c->memory, product_input, c->n_weights + 1);
    f->of_input = ARENA_NEW(c->memory, value, c->n_weights + 1);
    f->uses = ARENA_NEW(c->memory, int32_t, f->g->n_nodes + 1);
    if (!c->products || !c->inputs || !f->of_input || !f->uses) return STATUS_NO_MEMORY;
    count_uses(f);
    for (int32_t id = 0; id < f->g->n_nodes; id++) {
        const node *n = f->g->nodes[id];
        c->experts |= n->op == &op_grouped_matmul;
        if (!is_product(f->g, n)) continue;
        const type *t = value_type(f->g, n->in[MATMUL_B]);
        product *p = &c->products[c->n_products++];
        *p = (product){.w = parameter(f, n->in[MATMUL_B]),
                       .layer = n->region - 1,
                       .n = t->dim[0].add,
                       .k = t->dim[1].add};
        p->input = input_of(f, n, p->k);
    }
    for (int64_t i = 0; i < c->n_inputs; i++) {
        int32_t readers = 0;
        for (int64_t p = 0; p < c->n_products; p++) readers += c->products[p].input == i;
        find_fold(f, f->of_input[i], readers, &c->inputs[i]);
    }
    return STATUS_OK;
}

status products_find(compress *c) {
    graph *g;
    TRY(weights_graph(c, &g));
    finding f = {.c = c, .g = g};
    status st = find(&f);
    graph_free(g);
    return st;
}

enum { LOOKED_AT = 16 }; /* rows of each matrix */

static void count_zeros(const float *row, int64_t k, int64_t *zeros, bool *two_four) {
    for (int64_t i = 0; i < k; i += 4) {
        int64_t end = MIN_OF(i + 4, k), before = *zeros;
        for (int64_t j = i; j < end; j++) *zeros += row[j] == 0;
        *two_four &= *zeros - before >= end - i - 2;
    }
}

status products_zeros(compress *c, uint32_t *facts) {
    int64_t zeros = 0, all = 0;
    bool two_four = c->n_products > 0;
    for (int64_t i = 0; i < c->n_products; i++) {
        const product *p = &c->products[i];
        tensor_rows rows = tensor_rows_of(&p->w->t);
        float *row = context_alloc(c->cx, (size_t)rows.elems * sizeof *row);
        if (!row) return STATUS_NO_MEMORY;
        for (int64_t r = 0; r < MIN_OF(rows.count, LOOKED_AT); r++) {
            int64_t at = r * rows.count / MIN_OF(rows.count, LOOKED_AT);
            weights_rows(p->w, at, at + 1, row);
            count_zeros(row, rows.elems, &zeros, &two_four);
            all += rows.elems;
        }
        context_release(c->cx, row);
    }
    if ((double)zeros >= 0.45 * (double)all && all) *facts |= COMPRESS_SPARSE;
    if (two_four && *facts & COMPRESS_SPARSE) *facts |= COMPRESS_TWO_FOUR;
    return STATUS_OK;
}
