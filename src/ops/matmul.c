/* y[.., M, N] = act(a[.., M, K] . b[.., K, N] + bias[N]) + residual[.., M, N]
 * With dz the gradient at the product,
 *   da = dz . b^T,  db = a^T . dz,  dbias = sum of dz over rows,  dresidual = dy.
 * A b of rank 2 is shared by the batch, and then db sums over it. */
#include "ops/kit/act.h"
#include "ops/kit/kit.h"
#include "ops/binary.h"
#include "ops/cast.h"
#include "ops/reduce.h"
#include "ops/shape.h"

static bool has(const node *n, int i) {
    return i < n->n_in && !value_absent(n->in[i]);
}

static bool has_epilogue(const node *n) {
    const matmul_params *p = n->params;
    return p->act != ACT_NONE || has(n, MATMUL_BIAS) || has(n, MATMUL_RESIDUAL);
}

static status shape(const graph *g, const node *n, type *out) {
    const matmul_params *p = n->params;
    const type *a = kit_type(g, n, MATMUL_A), *b = kit_type(g, n, MATMUL_B);
    const type *bias = kit_type(g, n, MATMUL_BIAS), *residual = kit_type(g, n, MATMUL_RESIDUAL);
    if (a->rank < 2) return op_fail(g, n, "a must have at least 2 axes");
    if (b->rank != 2 && b->rank != a->rank)
        return op_fail(g, n, "b must have 2 axes or as many as a");
    for (int32_t d = 0; b->rank > 2 && d < a->rank - 2; d++)
        if (!extent_same(a->dim[d], b->dim[d]))
            return op_fail(g, n, "a and b differ in batch axis %d", d);
    extent m = a->dim[a->rank - 2 + p->trans_a], k = a->dim[a->rank - 1 - p->trans_a];
    extent kb = b->dim[b->rank - 2 + p->trans_b], columns = b->dim[b->rank - 1 - p->trans_b];
    if (!extent_same(k, kb)) return op_fail(g, n, "a and b differ in the axis that is summed over");
    if (p->act < 0 || p->act >= ACT_KINDS)
        return op_fail(g, n, "there is no activation %d", p->act);
    if (p->format && p->format->kind != NUM_FLOAT)
        return op_fail(g, n, "the product must be plain floats, not %s", p->format->name);
    out[0] = *a;
    out[0].dim[a->rank - 2] = m;
    out[0].dim[a->rank - 1] = columns;
    out[0].format = p->format                      ? p->format
                    : a->format->kind == NUM_FLOAT ? a->format
                                                   : num_find("f32");
    if (bias && (bias->rank != 1 || !extent_same(bias->dim[0], columns)))
        return op_fail(g, n, "the bias (operand 2) must have the columns of b");
    if (residual && !type_same_dims(residual, &out[0]))
        return op_fail(g, n, "the residual (operand 3) must have the shape of the product");
    TRY(kit_need_floats(g, n, MATMUL_BIAS));
    return kit_need_floats(g, n, MATMUL_RESIDUAL);
}

static void label(const graph *g, const node *n, labels *l) {
    const matmul_params *p = n->params;
    const type *a = kit_type(g, n, MATMUL_A), *b = kit_type(g, n, MATMUL_B);
    int32_t batch = a->rank - 2, ra = a->rank, rb = b->rank;
    /* Blocks with shared scales lie along the innermost axis and stay together. */
    int64_t ga = a->format->block_elems, gb = b->format->block_elems;
    int64_t gk = MAX_OF(p->trans_a ? 1 : ga, p->trans_b ? gb : 1);
    axis_label m = {(int8_t)(batch + 1), p->trans_a ? ga : 1};
    axis_label columns = {(int8_t)(batch + 2), p->trans_b ? 1 : gb}, k = {(int8_t)(batch + 3), gk};
    for (int32_t d = 0; d < batch; d++) {
        axis_label one = {(int8_t)(d + 1), 1};
        l->in[MATMUL_A][d] = l->out[0][d] = l->in[MATMUL_RESIDUAL][d] = one;
        if (rb > 2) l->in[MATMUL_B][d] = one;
    }
    l->in[MATMUL_A][ra - 2 + p->trans_a] = l->out[0][ra - 2] = l->in[MATMUL_RESIDUAL][ra - 2] = m;
    l->in[MATMUL_A][ra - 1 - p->trans_a] = l->in[MATMUL_B][rb - 2 + p->trans_b] = k;
    l->in[MATMUL_B][rb - 1 - p->trans_b] = l->out[0][ra - 1] = columns;
    l->in[MATMUL_RESIDUAL][ra - 1] = l->in[MATMUL_BIAS][0] = columns;
    if (has_epilogue(n)) l->how[k.label] = LABEL_WHOLE;
}

typedef struct extents {
    int64_t batch, m, n, k;
} extents;

static extents extents_of(const call *c) {
    const matmul_params *p = c->params;
    const tensor *a = &c->in[MATMUL_A], *y = &c->out[0];
    extents e = {1, y->dim[y->rank - 2], y->dim[y->rank - 1], a->dim[a->rank - 1 - p->trans_a]};
    for (int32_t d = 0; d < y->rank - 2; d++) e.batch *= y->dim[d];
    return e;
}

static void reference(const call *c) {
    const matmul_params *p = c->params;
    extents e = extents_of(c);
    int64_t am = p->trans_a ? 1 : e.k, ak = p->trans_a ? e.m : 1;
    int64_t bn = p->trans_b ? e.k : 1, bk = p->trans_b ? 1 : e.n;
    const double *bias = kit_in(c, MATMUL_BIAS), *residual = kit_in(c, MATMUL_RESIDUAL);
    for (int64_t i = 0; i < e.batch * e.m; i++) {
        int64_t at = i / e.m;
        const double *a = kit_in(c, MATMUL_A) + at * e.m * e.k + i % e.m * am;
        const double *b = kit_in(c, MATMUL_B) + (c->in[MATMUL_B].rank > 2 ? at * e.k * e.n : 0);
        for (int64_t j = 0; j < e.n; j++) {
            double sum = 0;
            for (int64_t k = 0; k < e.k; k++) sum += a[k * ak] * b[k * bk + j * bn];
            if (bias) sum += bias[j];
            sum = act_at(p->act, sum);
            if (residual) sum += residual[i * e.n + j];
            kit_out(c, 0)[i * e.n + j] = sum;
        }
    }
}

/* The product and its bias, before the activation, in at least f32 if something follows. */
static value before_act(graph *g, value y, const value *in) {
    const node *n = value_node(g, y);
    const matmul_params *p = n->params;
    const num_format *format = value_type(g, y)->format;
    if (has_epilogue(n)) format = kit_wider(num_find("f32"), format);
    value z = build_matmul(g, in[MATMUL_A], in[MATMUL_B], p->trans_a, p->trans_b, format);
    return has(n, MATMUL_BIAS) ? build_add(g, z, in[MATMUL_BIAS]) : z;
}

static void expand(graph *g, value y, const value *in, value *out) {
    const matmul_params *p = value_node(g, y)->params;
    bool residual = has(value_node(g, y), MATMUL_RESIDUAL);
    value z = build_act(g, p->act, before_act(g, y, in));
    if (residual) z = build_add(g, z, in[MATMUL_RESIDUAL]);
    out[0] = kit_format_like(g, z, y);
}

/* Of da: that of a. Of db, which sums over rows: f32 at least. */
static const num_format *gradient_format(graph *g, value x, value dy) {
    const num_format *f = value_type(g, x)->format;
    return f->kind == NUM_FLOAT ? f : value_type(g, dy)->format;
}

static value back_to_a(graph *g, const matmul_params *p, value a, value b, value dz) {
    const num_format *format = gradient_format(g, a, dz);
    if (!p->trans_a) return build_matmul(g, dz, b, false, !p->trans_b, format);
    if (value_type(g, b)->rank == value_type(g, a)->rank)
        return build_matmul(g, b, dz, p->trans_b, true, format);
    return build_transpose(g, build_matmul(g, dz, b, false, !p->trans_b, format));
}

static value back_to_b(graph *g, const matmul_params *p, value a, value b, value dz) {
    const num_format *format = kit_wider(num_find("f32"), gradient_format(g, b, dz));
    bool trans_a = p->trans_a;
    int32_t batch = value_type(g, a)->rank - 2;
    bool shared = batch > 0 && value_type(g, b)->rank == 2;
    if (shared) {
        /* The batch becomes rows, so that one product sums over both. */
        if (trans_a) a = build_transpose(g, a);
        trans_a = false;
        int32_t symbolic = 0;
        for (int32_t d = 0; d < batch + 1; d++) symbolic += value_type(g, dz)->dim[d].sym != 0;
        shared = symbolic > 1;
        if (!shared) {
            a = build_merge(g, a, 0, batch + 1);
            dz = build_merge(g, dz, 0, batch + 1);
        }
    }
    value db = p->trans_b ? build_matmul(g, dz, a, true, trans_a, format)
                          : build_matmul(g, a, dz, !trans_a, false, format);
    return shared ? build_sum(g, db, ((int64_t)1 << batch) - 1, false) : db;
}

/* The gradient at a product of narrow operands is rounded as they are, so that the products back are of the same
 * kind. */
static value rounded_as_operands(graph *g, value dz, value a, value b) {
    const num_format *fa = value_type(g, a)->format, *fb = value_type(g, b)->format;
    if (fa->kind != NUM_FLOAT || fb->kind != NUM_FLOAT) return dz;
    const num_format *f = kit_wider(fa, fb);
    return f->error > value_type(g, dz)->format->error ? build_cast(g, dz, f) : dz;
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const node *n = value_node(g, y);
    const matmul_params *p = n->params;
    value a = n->in[MATMUL_A], b = n->in[MATMUL_B], dz = dy[0];
    if (kit_wants(want, MATMUL_RESIDUAL))
        dx[MATMUL_RESIDUAL] = kit_format_like(g, dy[0], n->in[MATMUL_RESIDUAL]);
    if (p->act != ACT_NONE) dz = build_act_back(g, p->act, before_act(g, y, n->in), dy[0]);
    if (value_absent(dz)) return;
    dz = rounded_as_operands(g, dz, a, b);
    if (kit_wants(want, MATMUL_A)) dx[MATMUL_A] = back_to_a(g, p, a, b, dz);
    if (kit_wants(want, MATMUL_B)) dx[MATMUL_B] = back_to_b(g, p, a, b, dz);
    if (kit_wants(want, MATMUL_BIAS)) dx[MATMUL_BIAS] = kit_sum_like(g, dz, n->in[MATMUL_BIAS]);
}

static void count(const call *c, cost *out) {
    const matmul_params *p = c->params;
    extents e = extents_of(c);
    double outputs = (double)e.batch * (double)e.m * (double)e.n;
    double after = act_flops(p->act) + (c->in[MATMUL_BIAS].format != NULL) +
                   (c->in[MATMUL_RESIDUAL].format != NULL);
    const num_format *f = c->in[MATMUL_B].format;
    double kept = f->kept ? (double)f->kept / f->block_elems : 1;
    kit_cost(c, outputs * (2 * (double)e.k * kept + after), out);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK], m = sample_extent(s, 1, 5), n = sample_extent(s, 1, 5);
    int64_t k = sample_extent(s, 1, 7);
    matmul_params p = {.trans_a = sample_int(s, 0, 1), .trans_b = sample_int(s, 0, 1)};
    int32_t batch = sample_int(s, 0, 1) ? 0 : kit_sample_dims(s, 1, 2, 3, dim);
    value in[4] = {NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE};
    dim[batch] = p.trans_a ? k : m;
    dim[batch + 1] = p.trans_a ? m : k;
    in[MATMUL_A] = sample_floats(s, batch + 2, dim, -1, 1);
    dim[batch] = p.trans_b ? n : k;
    dim[batch + 1] = p.trans_b ? k : n;
    bool shared = sample_int(s, 0, 1);
    in[MATMUL_B] = sample_floats(s, shared ? 2 : batch + 2, shared ? dim + batch : dim, -1, 1);
    dim[batch] = m;
    dim[batch + 1] = n;
    if (sample_int(s, 0, 1)) {
        p.act = (int32_t)sample_int(s, 0, ACT_KINDS - 1);
        if (sample_int(s, 0, 1)) in[MATMUL_BIAS] = sample_floats(s, 1, &n, -1, 1);
        if (sample_int(s, 0, 1)) in[MATMUL_RESIDUAL] = sample_floats(s, batch + 2, dim, -1, 1);
    }
    return kit_sampled(s, graph_add(s->g, &op_matmul, &p, 4, in));
}

value build_matmul(graph *g, value a, value b, bool trans_a, bool trans_b,
                   const num_format *format) {
    matmul_params p = {trans_a, trans_b, format, ACT_NONE};
    return graph_add(g, &op_matmul, &p, 4, (value[]){a, b, NO_VALUE, NO_VALUE});
}

static const field fields[] = {FIELD(matmul_params, trans_a, FIELD_BOOL),
                               FIELD(matmul_params, trans_b, FIELD_BOOL),
                               FIELD(matmul_params, format, FIELD_FORMAT),
                               FIELD(matmul_params, act, FIELD_INT32),
                               {0}};
const op_def op_matmul = {
    .name = "matmul",
    .help = "y = act(a . b + bias) + residual",
    .params_bytes = sizeof(matmul_params),
    .fields = fields,
    .n_in = 4,
    .n_out = 1,
    .optional = 1 << MATMUL_BIAS | 1 << MATMUL_RESIDUAL,
    .linear = 1 << MATMUL_A | 1 << MATMUL_B,
    .may_overwrite = 1 << MATMUL_RESIDUAL,
    .precision = PRECISION_DOT,
    .narrow_in = 1 << MATMUL_A | 1 << MATMUL_B,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .expand = expand,
    .cost = count,
    .sample = draw,
};
