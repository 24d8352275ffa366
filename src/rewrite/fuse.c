/* Folds what follows a matrix product into it, and a gate into one op:
 *   matmul + bias[N]         -> matmul(bias)
 *   act(matmul)              -> matmul(act)
 *   matmul + residual        -> matmul(residual)
 *   act(gate) * up           -> gated_mlp
 * Folded products round once at the end instead of after each op. A product that somebody else reads too (the
 * backward pass needs what stood before an activation) is left as it is: folding would compute it twice. */
#include "graph/match.h"
#include "ops/binary.h"
#include "ops/gated_mlp.h"
#include "ops/matmul.h"
#include "ops/unary.h"

enum { FOLDED = 1, OTHER = 2 };

static const pattern product = {.op = &op_matmul, .capture = FOLDED, .once = true};
static const pattern other = {.capture = OTHER};
static const pattern plus = {.op = &op_add, .commutes = true, .in = {&product, &other}};

typedef struct act_op {
    const op_def *op;
    matmul_act act;
} act_op;
static const act_op act_ops[] = {
    {&op_relu, ACT_RELU}, {&op_relu2, ACT_RELU2},         {&op_silu, ACT_SILU},
    {&op_gelu, ACT_GELU}, {&op_gelu_tanh, ACT_GELU_TANH}, {&op_sigmoid, ACT_SIGMOID},
    {&op_tanh, ACT_TANH},
};

static matmul_act act_of(const op_def *op) {
    for (int32_t i = 0; i < COUNT_OF(act_ops); i++)
        if (act_ops[i].op == op) return act_ops[i].act;
    return ACT_NONE;
}

/* The product again with one thing more folded in. */
static bool refold(rewriting *r, const node *n, value dot, const matmul_params *params,
                   int32_t operand, value with) {
    value in[4];
    const node *old = value_node(r->to, dot);
    for (int32_t i = 0; i < 4; i++) in[i] = old->in[i];
    if (operand >= 0) in[operand] = with;
    rewriting_set(r, (value){n->id, 0}, graph_add(r->to, &op_matmul, params, 4, in));
    return true;
}

static bool fold_sum(rewriting *r, const node *n) {
    match m;
    if (!match_node(r, &plus, n, &m)) return false;
    const node *dot = value_node(r->to, m.at[FOLDED]);
    const type *y = &dot->out[0], *t = value_type(r->to, m.at[OTHER]);
    matmul_params params = *(const matmul_params *)dot->params;
    params.format = n->out[0].format;
    if (!value_absent(dot->in[MATMUL_RESIDUAL]) || !type_same_dims(y, &n->out[0])) return false;
    bool is_bias = t->rank == 1 && extent_same(t->dim[0], y->dim[y->rank - 1]);
    if (is_bias && params.act == ACT_NONE && value_absent(dot->in[MATMUL_BIAS]))
        return refold(r, n, m.at[FOLDED], &params, MATMUL_BIAS, m.at[OTHER]);
    if (type_same_dims(t, y))
        return refold(r, n, m.at[FOLDED], &params, MATMUL_RESIDUAL, m.at[OTHER]);
    return false;
}

static bool fold_act(rewriting *r, const node *n) {
    matmul_act act = act_of(n->op);
    match m;
    const pattern applied = {.op = n->op, .in = {&product}};
    if (act == ACT_NONE || !match_node(r, &applied, n, &m)) return false;
    const node *dot = value_node(r->to, m.at[FOLDED]);
    matmul_params params = *(const matmul_params *)dot->params;
    if (params.act != ACT_NONE || !value_absent(dot->in[MATMUL_RESIDUAL])) return false;
    params.act = act;
    return refold(r, n, m.at[FOLDED], &params, -1, NO_VALUE);
}

static bool fold_gate(rewriting *r, const node *n) {
    if (n->op != &op_mul) return false;
    for (int32_t i = 0; i < COUNT_OF(act_ops); i++) {
        const pattern gate = {.op = act_ops[i].op, .capture = FOLDED, .once = true};
        const pattern gated = {.op = &op_mul, .commutes = true, .in = {&gate, &other}};
        match m;
        if (!match_node(r, &gated, n, &m)) continue;
        value x = value_node(r->to, m.at[FOLDED])->in[0];
        const type *t = value_type(r->to, x);
        if (!type_same(t, value_type(r->to, m.at[OTHER])) || !type_same(t, &n->out[0])) continue;
        rewriting_set(r, (value){n->id, 0}, build_gated_mlp(r->to, x, m.at[OTHER], act_ops[i].act));
        return true;
    }
    return false;
}

static bool visit(rewriting *r, const node *n) {
    return fold_sum(r, n) || fold_act(r, n) || fold_gate(r, n);
}

const rewrite_def rewrite_fuse = {
    .name = "fuse",
    .help = "folds bias, activation, residual into matmul, and a gate into gated_mlp",
    .forbids = GRAPH_RECOMPUTED, /* a product folded on one side only would round otherwise */
    .ensures = GRAPH_FUSED,
    .tolerance = 1e-2, /* of bf16 outputs, which are rounded fewer times */
    .visit = visit,
};
