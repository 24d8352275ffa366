/* Norms: shapes, references, expansions. */
#include "ops/kit/rows.h"
#include "ops/binary.h"
#include "ops/cast.h"
#include "ops/reduce.h"
#include "ops/scale.h"
#include "ops/unary.h"
#include <math.h>
#include <string.h>

const field norm_fields[] = {
    FIELD(norm_params, eps, FIELD_DOUBLE), FIELD(norm_params, format, FIELD_FORMAT), {0}};
const field norm_bwd_fields[] = {FIELD(norm_params, eps, FIELD_DOUBLE), {0}};

static status check_row(const graph *g, const node *n, int i) {
    const type *x = kit_type(g, n, 0), *w = kit_type(g, n, i);
    TRY(kit_need_floats(g, n, i));
    if (w && (w->rank != 1 || !extent_same(w->dim[0], x->dim[x->rank - 1])))
        return op_fail(g, n, "operand %d must have one axis, the innermost of operand 0", i);
    return STATUS_OK;
}

status norm_shape(const graph *g, const node *n, type *out) {
    const norm_params *p = n->params;
    TRY(kit_need_floats(g, n, NORM_X));
    if (kit_type(g, n, NORM_X)->rank < 1) return op_fail(g, n, "a scalar has no rows");
    for (int32_t i = NORM_W; i < n->n_in; i++) TRY(check_row(g, n, i));
    out[0] = *kit_type(g, n, NORM_X);
    if (p->format) out[0].format = p->format;
    if (out[0].format->kind != NUM_FLOAT)
        return op_fail(g, n, "rows must come out as plain floats, not %s", out[0].format->name);
    return STATUS_OK;
}

void norm_labels(const graph *g, const node *n, labels *l) {
    int32_t rank = kit_type(g, n, 0)->rank;
    for (int32_t i = 0; i < n->n_in; i++)
        if (kit_type(g, n, i)) kit_labels_right(l->in[i], kit_type(g, n, i), rank);
    for (int32_t o = 0; o < n->n_out; o++) kit_labels_right(l->out[o], &n->out[o], rank);
    l->how[rank] = LABEL_WHOLE;
}

/* Of a row: its mean (0 if it is not centred) and factor. */
static void measure(const double *x, int64_t columns, double eps, bool centres, double *mean,
                    double *factor) {
    double sum = 0, squares = 0;
    for (int64_t k = 0; k < columns && centres; k++) sum += x[k];
    *mean = sum / (double)columns;
    for (int64_t k = 0; k < columns; k++) squares += (x[k] - *mean) * (x[k] - *mean);
    *factor = 1 / sqrt(squares / (double)columns + eps);
}

void norm_reference(const call *c, bool centres) {
    const norm_params *p = c->params;
    int64_t columns = kit_columns(&c->in[0]);
    const double *w = kit_in(c, NORM_W), *b = centres ? kit_in(c, NORM_B) : NULL;
    for (int64_t r = 0; r < kit_rows(&c->in[0]); r++) {
        const double *x = kit_in(c, NORM_X) + r * columns;
        double mean, factor;
        measure(x, columns, p->eps, centres, &mean, &factor);
        for (int64_t k = 0; k < columns; k++)
            kit_out(c, 0)[r * columns + k] =
                (x[k] - mean) * factor * (w ? w[k] : 1) + (b ? b[k] : 0);
    }
}

status norm_bwd_shape(const graph *g, const node *n, type *out) {
    const type *x = kit_type(g, n, NORM_BWD_X), *w = kit_type(g, n, NORM_BWD_W);
    TRY(kit_need_floats(g, n, NORM_BWD_X));
    TRY(kit_need_floats(g, n, NORM_BWD_DY));
    TRY(kit_need_same(g, n, NORM_BWD_X, NORM_BWD_DY));
    if (x->rank < 1) return op_fail(g, n, "a scalar has no rows");
    TRY(check_row(g, n, NORM_BWD_W));
    out[0] = *x;
    for (int32_t o = 1; o < n->n_out; o++)
        out[o] =
            type_of(w ? w->format : kit_wider(num_find("f32"), x->format), 1, &x->dim[x->rank - 1]);
    return STATUS_OK;
}

void norm_bwd_reference(const call *c, bool centres) {
    const norm_params *p = c->params;
    int64_t columns = kit_columns(&c->in[0]);
    const double *w = kit_in(c, NORM_BWD_W);
    double *dw = kit_out(c, 1), *db = centres ? kit_out(c, 2) : NULL;
    if (dw) memset(dw, 0, (size_t)columns * sizeof *dw);
    if (db) memset(db, 0, (size_t)columns * sizeof *db);
    for (int64_t r = 0; r < kit_rows(&c->in[0]); r++) {
        const double *x = kit_in(c, NORM_BWD_X) + r * columns;
        const double *dy = kit_in(c, NORM_BWD_DY) + r * columns;
        double mean, factor, q_mean = 0, qh_mean = 0;
        measure(x, columns, p->eps, centres, &mean, &factor);
        for (int64_t k = 0; k < columns; k++) {
            double q = dy[k] * (w ? w[k] : 1), h = (x[k] - mean) * factor;
            q_mean += centres ? q / (double)columns : 0;
            qh_mean += q * h / (double)columns;
            if (dw) dw[k] += dy[k] * h;
            if (db) db[k] += dy[k];
        }
        for (int64_t k = 0; k < columns && kit_out(c, 0); k++) {
            double q = dy[k] * (w ? w[k] : 1), h = (x[k] - mean) * factor;
            kit_out(c, 0)[r * columns + k] = factor * (q - q_mean - h * qh_mean);
        }
    }
}

/* The normalised rows and their factors, in f32 or finer. */
static value normalised(graph *g, value x, double eps, bool centres, value *factor) {
    int64_t last = (int64_t)1 << (value_type(g, x)->rank - 1);
    x = build_cast(g, x, kit_wider(num_find("f32"), value_type(g, x)->format));
    if (centres) x = build_sub(g, x, build_mean(g, x, last, true));
    value square = build_mean(g, build_square(g, x), last, true);
    *factor = build_rsqrt(g, build_scale(g, square, 1, eps));
    return build_mul(g, x, *factor);
}

void norm_expand(graph *g, value y, const value *in, value *out, bool centres) {
    const norm_params *p = value_node(g, y)->params;
    value factor, v = normalised(g, in[NORM_X], p->eps, centres, &factor);
    if (!value_absent(in[NORM_W])) v = build_mul(g, v, in[NORM_W]);
    if (centres && !value_absent(in[NORM_B])) v = build_add(g, v, in[NORM_B]);
    out[0] = kit_format_like(g, v, y);
}

void norm_bwd_expand(graph *g, value y, const value *in, value *out, bool centres) {
    const norm_params *p = value_node(g, y)->params;
    value factor, h = normalised(g, in[NORM_BWD_X], p->eps, centres, &factor);
    value dy = kit_format_like(g, in[NORM_BWD_DY], h), q = dy;
    if (!value_absent(in[NORM_BWD_W])) q = build_mul(g, q, in[NORM_BWD_W]);
    int32_t rank = value_type(g, y)->rank;
    int64_t last = (int64_t)1 << (rank - 1), rows = last - 1;
    value v = build_sub(g, q, build_mul(g, h, build_mean(g, build_mul(g, q, h), last, true)));
    if (centres) v = build_sub(g, v, build_mean(g, q, last, true));
    out[0] = kit_format_like(g, build_mul(g, v, factor), y);
    out[1] = kit_format_like(g, build_sum(g, build_mul(g, dy, h), rows, false), kit_at(y, 1));
    if (centres) out[2] = kit_format_like(g, build_sum(g, dy, rows, false), kit_at(y, 2));
}

void norm_gradient(graph *g, value y, const value *dy, uint32_t want, value *dx,
                   const op_def *bwd) {
    const node *n = value_node(g, y);
    norm_params p = {.eps = ((const norm_params *)n->params)->eps};
    value back = graph_add(g, bwd, &p, 3, (value[]){n->in[NORM_X], n->in[NORM_W], dy[0]});
    if (value_absent(back)) return;
    for (int32_t i = 0; i < n->n_in; i++)
        if (kit_wants(want, i)) dx[i] = kit_format_like(g, kit_at(back, i), n->in[i]);
}

static value draw_row(sample *s, int32_t rank, const int64_t *dim) {
    return sample_int(s, 0, 3) ? sample_floats(s, 1, &dim[rank - 1], -1, 1) : NO_VALUE;
}

status norm_sample(sample *s, const op_def *op) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 8, dim);
    norm_params p = {.eps = sample_real(s, 1e-3, 1e-1)};
    value in[3] = {sample_floats(s, rank, dim, -1, 1), draw_row(s, rank, dim),
                   draw_row(s, rank, dim)};
    return kit_sampled(s, graph_add(s->g, op, &p, op->n_in, in));
}

status norm_bwd_sample(sample *s, const op_def *op) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 8, dim);
    norm_params p = {.eps = sample_real(s, 1e-3, 1e-1)};
    value in[3] = {sample_floats(s, rank, dim, -1, 1), draw_row(s, rank, dim),
                   sample_floats(s, rank, dim, -1, 1)};
    return kit_sampled(s, graph_add(s->g, op, &p, 3, in));
}

void norm_cost(const call *c, cost *out) {
    double backward = c->n_out > 1 ? 3 : 1;
    kit_cost(c, backward * 5 * (double)kit_elems(&c->in[0]), out);
}
