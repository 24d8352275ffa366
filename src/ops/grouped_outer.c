/* y[e] = sum over t, j with ids[t, j] = e of the outer product of dy[t, j] and x[t, j], in the order of
 * rows: [groups, N, K], or across [groups, K, N]. */
#include "ops/grouped_matmul.h"
#include "ops/kit/kit.h"
#include "ops/kit/pick.h"
#include "ops/reduce.h"
#include <string.h>

enum { COLUMNS = 3 };

static status shape(const graph *g, const node *n, type *out) {
    const grouped_matmul_params *p = n->params;
    const type *dy = kit_type(g, n, GROUPED_OUTER_DY), *ids = kit_type(g, n, GROUPED_OUTER_IDS);
    extent columns, k;
    TRY(grouped_check(g, n, GROUPED_OUTER_LIKE, &columns, &k));
    TRY(kit_need_rank(g, n, GROUPED_OUTER_DY, 3));
    if (!extent_same(dy->dim[0], ids->dim[0]) || !extent_same(dy->dim[1], ids->dim[1]) ||
        !extent_same(dy->dim[2], columns))
        return op_fail(g, n, "dy (operand 1) does not have the rows of ids and the columns of w");
    out[0] = *kit_type(g, n, GROUPED_OUTER_LIKE);
    out[0].format = p->format                       ? p->format
                    : dy->format->kind == NUM_FLOAT ? dy->format
                                                    : num_find("f32");
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    axis_label columns = {COLUMNS, kit_type(g, n, GROUPED_OUTER_DY)->format->block_elems};
    grouped_labels(g, n, GROUPED_OUTER_LIKE, &columns, l);
    l->in[GROUPED_OUTER_DY][0] = l->in[GROUPED_OUTER_IDS][0];
    l->in[GROUPED_OUTER_DY][1] = l->in[GROUPED_OUTER_IDS][1];
    l->in[GROUPED_OUTER_DY][2] = columns;
    memcpy(l->out[0], l->in[GROUPED_OUTER_LIKE], sizeof l->out[0]);
}

static void reference(const call *c) {
    bool across = ((const grouped_matmul_params *)c->params)->across;
    grouped_extents e = grouped_extents_of(c, GROUPED_OUTER_LIKE);
    int64_t step_n = across ? 1 : e.k, step_k = across ? e.n : 1;
    memset(c->out[0].data, 0, (size_t)(e.groups * e.n * e.k) * sizeof(double));
    for (int64_t r = 0; r < e.rows; r++) {
        int64_t id = kit_id(&c->in[GROUPED_OUTER_IDS], r);
        if (id < 0 || id >= e.groups) continue;
        const double *x = kit_in(c, GROUPED_OUTER_X) + grouped_x_row(&e, r) * e.k;
        const double *dy = kit_in(c, GROUPED_OUTER_DY) + r * e.n;
        double *y = kit_out(c, 0) + id * e.n * e.k;
        for (int64_t j = 0; j < e.n; j++)
            for (int64_t k = 0; k < e.k; k++) y[j * step_n + k * step_k] += dy[j] * x[k];
    }
}

/* dx = ddw . dy, ddy = x . ddw: the product itself, with the gradient in the place of the matrices. */
static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const node *n = value_node(g, y);
    const grouped_matmul_params *p = n->params;
    value x = n->in[GROUPED_OUTER_X], rows = n->in[GROUPED_OUTER_DY],
          ids = n->in[GROUPED_OUTER_IDS];
    if (kit_wants(want, GROUPED_OUTER_X)) {
        grouped_matmul_params back = {.across = !p->across, .format = value_type(g, x)->format};
        value each = build_grouped_matmul(g, &back, rows, dy[0], ids, NO_VALUE);
        bool shared = value_type(g, x)->rank == 2;
        dx[GROUPED_OUTER_X] = shared ? build_sum(g, each, 2, false) : each;
    }
    if (kit_wants(want, GROUPED_OUTER_DY)) {
        grouped_matmul_params on = {.across = p->across, .format = value_type(g, rows)->format};
        dx[GROUPED_OUTER_DY] = build_grouped_matmul(g, &on, x, dy[0], ids, NO_VALUE);
    }
}

static void count(const call *c, cost *out) {
    grouped_extents e = grouped_extents_of(c, GROUPED_OUTER_LIKE);
    kit_cost(c, 2 * (double)e.rows * (double)e.n * (double)e.k, out);
}

static status draw(sample *s) {
    int64_t tokens = sample_extent(s, 1, 6), choices = sample_extent(s, 1, 3);
    int64_t groups = sample_int(s, 1, 4), n = sample_extent(s, 1, 5), k = sample_extent(s, 1, 6);
    grouped_matmul_params p = {.across = sample_int(s, 0, 1)};
    bool shared = sample_int(s, 0, 1);
    value x = shared ? sample_floats(s, 2, (int64_t[]){tokens, k}, -1, 1)
                     : sample_floats(s, 3, (int64_t[]){tokens, choices, k}, -1, 1);
    value dy = sample_floats(s, 3, (int64_t[]){tokens, choices, n}, -1, 1);
    value ids = pick_sample_ids(s, 2, (int64_t[]){tokens, choices}, groups);
    value like =
        sample_floats(s, 3, (int64_t[]){groups, p.across ? k : n, p.across ? n : k}, -1, 1);
    return kit_sampled(s, graph_add(s->g, &op_grouped_outer, &p, GROUPED_OUTER_OPERANDS,
                                    (value[]){x, dy, ids, like}));
}

const op_def op_grouped_outer = {
    .name = "grouped_outer",
    .help = "y[e] = sum over ids[t, j] = e of dy[t, j] x[t, j]^T",
    .params_bytes = sizeof(grouped_matmul_params),
    .fields = grouped_matmul_fields,
    .n_in = GROUPED_OUTER_OPERANDS,
    .n_out = 1,
    .shape_only = 1 << GROUPED_OUTER_LIKE,
    .no_grad_in = 1 << GROUPED_OUTER_LIKE,
    .index_in = 1 << GROUPED_OUTER_IDS,
    .linear = 1 << GROUPED_OUTER_X | 1 << GROUPED_OUTER_DY,
    .precision = PRECISION_DOT,
    .narrow_in = 1 << GROUPED_OUTER_X | 1 << GROUPED_OUTER_DY,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = count,
    .sample = draw,
};
