/* y[t, j, :] = x[t, j, :] . w[ids[t, j]] + bias[ids[t, j]]. */
#include "ops/grouped_matmul.h"
#include "ops/fill.h"
#include "ops/kit/kit.h"
#include "ops/kit/pick.h"
#include "ops/reduce.h"
#include "ops/shape.h"

enum { TOKENS = 1, CHOICES, COLUMNS, DEPTH };

status grouped_check(const graph *g, const node *n, int32_t w, extent *columns, extent *k) {
    const grouped_matmul_params *p = n->params;
    const type *x = kit_type(g, n, GROUPED_X), *ids = kit_type(g, n, GROUPED_IDS);
    const type *m = kit_type(g, n, w);
    TRY(kit_need_rank(g, n, GROUPED_IDS, 2));
    TRY(kit_need_rank(g, n, w, 3));
    if (x->rank != 2 && x->rank != 3) return op_fail(g, n, "x (operand 0) must have 2 or 3 axes");
    if (!extent_same(x->dim[0], ids->dim[0]) ||
        (x->rank == 3 && !extent_same(x->dim[1], ids->dim[1])))
        return op_fail(g, n, "x and ids (operands 0, 2) differ in rows");
    *columns = m->dim[p->across ? 2 : 1];
    *k = m->dim[p->across ? 1 : 2];
    if (!extent_same(*k, x->dim[x->rank - 1]))
        return op_fail(g, n, "x (operand 0) and the matrices differ in the axis they share");
    if (p->format && p->format->kind != NUM_FLOAT)
        return op_fail(g, n, "the result must be plain floats, not %s", p->format->name);
    return STATUS_OK;
}

static status shape(const graph *g, const node *n, type *out) {
    const grouped_matmul_params *p = n->params;
    const type *x = kit_type(g, n, GROUPED_X), *bias = kit_type(g, n, GROUPED_BIAS);
    extent columns, k;
    TRY(grouped_check(g, n, GROUPED_W, &columns, &k));
    if (bias && (bias->rank != 2 || !extent_same(bias->dim[1], columns) ||
                 !extent_same(bias->dim[0], kit_type(g, n, GROUPED_W)->dim[0])))
        return op_fail(g, n, "the bias (operand 3) must have a row of columns for each matrix");
    TRY(kit_need_floats(g, n, GROUPED_BIAS));
    const type *ids = kit_type(g, n, GROUPED_IDS);
    const num_format *own = x->format->kind == NUM_FLOAT ? x->format : num_find("f32");
    out[0] = type_of(p->format ? p->format : own, 3, (extent[]){ids->dim[0], ids->dim[1], columns});
    return STATUS_OK;
}

void grouped_labels(const graph *g, const node *n, int32_t w, const axis_label *columns,
                    labels *l) {
    const grouped_matmul_params *p = n->params;
    const type *x = kit_type(g, n, GROUPED_X), *m = kit_type(g, n, w);
    axis_label k = {DEPTH, MAX_OF(x->format->block_elems, p->across ? 1 : m->format->block_elems)};
    l->in[GROUPED_X][0].label = l->in[GROUPED_IDS][0].label = TOKENS;
    l->in[GROUPED_IDS][1].label = CHOICES;
    if (x->rank == 3) l->in[GROUPED_X][1].label = CHOICES;
    l->in[GROUPED_X][x->rank - 1] = k;
    l->in[w][p->across ? 1 : 2] = k;
    l->in[w][p->across ? 2 : 1] = *columns;
}

static void label(const graph *g, const node *n, labels *l) {
    const type *m = kit_type(g, n, GROUPED_W);
    bool across = ((const grouped_matmul_params *)n->params)->across;
    axis_label columns = {COLUMNS, across ? m->format->block_elems : 1};
    grouped_labels(g, n, GROUPED_W, &columns, l);
    l->out[0][0].label = TOKENS;
    l->out[0][1].label = CHOICES;
    l->out[0][2] = l->in[GROUPED_BIAS][1] = columns;
    if (!value_absent(n->in[GROUPED_BIAS])) l->how[DEPTH] = LABEL_WHOLE;
}

grouped_extents grouped_extents_of(const call *c, int32_t w) {
    const grouped_matmul_params *p = c->params;
    const tensor *ids = &c->in[GROUPED_IDS], *m = &c->in[w];
    return (grouped_extents){.rows = ids->dim[0] * ids->dim[1],
                             .choices = ids->dim[1],
                             .groups = m->dim[0],
                             .n = m->dim[p->across ? 2 : 1],
                             .k = m->dim[p->across ? 1 : 2],
                             .shared = c->in[GROUPED_X].rank == 2};
}

static void reference(const call *c) {
    bool across = ((const grouped_matmul_params *)c->params)->across;
    grouped_extents e = grouped_extents_of(c, GROUPED_W);
    const double *bias = kit_in(c, GROUPED_BIAS);
    int64_t step_n = across ? 1 : e.k, step_k = across ? e.n : 1;
    for (int64_t r = 0; r < e.rows; r++) {
        int64_t id = kit_id(&c->in[GROUPED_IDS], r);
        bool none = id < 0 || id >= e.groups;
        const double *x = kit_in(c, GROUPED_X) + grouped_x_row(&e, r) * e.k;
        const double *w = kit_in(c, GROUPED_W) + (none ? 0 : id * e.n * e.k);
        for (int64_t j = 0; j < e.n; j++) {
            double sum = 0;
            for (int64_t k = 0; !none && k < e.k; k++) sum += x[k] * w[j * step_n + k * step_k];
            if (!none && bias) sum += bias[id * e.n + j];
            kit_out(c, 0)[r * e.n + j] = sum;
        }
    }
}

static value outer(graph *g, bool across, value x, value dy, value ids, value like) {
    grouped_matmul_params p = {.across = across, .format = value_type(g, like)->format};
    if (p.format->kind != NUM_FLOAT) p.format = value_type(g, dy)->format;
    p.format = kit_wider(num_find("f32"), p.format);
    return graph_add(g, &op_grouped_outer, &p, GROUPED_OUTER_OPERANDS, (value[]){x, dy, ids, like});
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const node *n = value_node(g, y);
    const grouped_matmul_params *p = n->params;
    value x = n->in[GROUPED_X], ids = n->in[GROUPED_IDS], bias = n->in[GROUPED_BIAS];
    if (kit_wants(want, GROUPED_X)) {
        grouped_matmul_params back = {.across = !p->across, .format = value_type(g, x)->format};
        if (back.format->kind != NUM_FLOAT) back.format = NULL;
        value each = build_grouped_matmul(g, &back, dy[0], n->in[GROUPED_W], ids, NO_VALUE);
        bool shared = value_type(g, x)->rank == 2;
        dx[GROUPED_X] = shared ? build_sum(g, each, 2, false) : each;
    }
    if (kit_wants(want, GROUPED_W))
        dx[GROUPED_W] = outer(g, p->across, x, dy[0], ids, n->in[GROUPED_W]);
    if (kit_wants(want, GROUPED_BIAS)) {
        value ones = build_fill(g, build_slice(g, dy[0], 2, 0, 1), 1);
        value like = build_reshape(g, bias, 2, 0, 1, (int64_t[]){1});
        if (value_absent(like)) return;
        dx[GROUPED_BIAS] = build_merge(g, outer(g, false, ones, dy[0], ids, like), 1, 2);
        dx[GROUPED_BIAS] = kit_format_like(g, dx[GROUPED_BIAS], bias);
    }
}

static void count(const call *c, cost *out) {
    grouped_extents e = grouped_extents_of(c, GROUPED_W);
    kit_cost(c, 2 * (double)e.rows * (double)e.n * (double)e.k, out);
}

static status draw(sample *s) {
    int64_t tokens = sample_extent(s, 1, 6), choices = sample_extent(s, 1, 3);
    int64_t groups = sample_int(s, 1, 4), n = sample_extent(s, 1, 5), k = sample_extent(s, 1, 6);
    grouped_matmul_params p = {.across = sample_int(s, 0, 1)};
    bool shared = sample_int(s, 0, 1);
    value x = shared ? sample_floats(s, 2, (int64_t[]){tokens, k}, -1, 1)
                     : sample_floats(s, 3, (int64_t[]){tokens, choices, k}, -1, 1);
    value w = sample_floats(s, 3, (int64_t[]){groups, p.across ? k : n, p.across ? n : k}, -1, 1);
    value ids = pick_sample_ids(s, 2, (int64_t[]){tokens, choices}, groups);
    value bias =
        sample_int(s, 0, 1) ? sample_floats(s, 2, (int64_t[]){groups, n}, -1, 1) : NO_VALUE;
    return kit_sampled(s, build_grouped_matmul(s->g, &p, x, w, ids, bias));
}

value build_grouped_matmul(graph *g, const grouped_matmul_params *p, value x, value w, value ids,
                           value bias) {
    return graph_add(g, &op_grouped_matmul, p, GROUPED_OPERANDS, (value[]){x, w, ids, bias});
}

const field grouped_matmul_fields[] = {FIELD(grouped_matmul_params, across, FIELD_BOOL),
                                       FIELD(grouped_matmul_params, format, FIELD_FORMAT),
                                       {0}};
const op_def op_grouped_matmul = {
    .name = "grouped_matmul",
    .help = "y[t, j] = x[t, j] . w[ids[t, j]] + bias[ids[t, j]]",
    .params_bytes = sizeof(grouped_matmul_params),
    .fields = grouped_matmul_fields,
    .n_in = GROUPED_OPERANDS,
    .n_out = 1,
    .optional = 1 << GROUPED_BIAS,
    .index_in = 1 << GROUPED_IDS,
    .linear = 1 << GROUPED_X | 1 << GROUPED_W,
    .precision = PRECISION_DOT,
    .narrow_in = 1 << GROUPED_X | 1 << GROUPED_W,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = count,
    .sample = draw,
};
