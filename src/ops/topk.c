/* The k largest of each row and where they stand. */
#include "ops/topk.h"
#include "ops/gather.h"
#include "ops/kit/kit.h"
#include <math.h>

static status shape(const graph *g, const node *n, type *out) {
    int32_t k = ((const topk_params *)n->params)->k;
    out[0] = *kit_type(g, n, 0);
    TRY(kit_need_floats(g, n, 0));
    if (out[0].rank < 1) return op_fail(g, n, "a scalar has no rows");
    extent *last = &out[0].dim[out[0].rank - 1];
    if (last->sym || k < 1 || k > last->add)
        return op_fail(g, n, "the %d largest of the innermost axis cannot be taken", k);
    *last = extent_of(k);
    out[1] = out[0];
    out[1].format = num_find("i32");
    return STATUS_OK;
}

/* Whether element i comes before element j. */
static bool before(const double *x, int64_t i, int64_t j) {
    bool nan_i = isnan(x[i]), nan_j = isnan(x[j]);
    if (nan_i != nan_j) return nan_i;
    return x[i] > x[j] || (!(x[i] < x[j]) && i < j);
}

static void reference(const call *c) {
    int64_t columns = kit_columns(&c->in[0]), k = ((const topk_params *)c->params)->k;
    for (int64_t r = 0; r < kit_rows(&c->in[0]); r++) {
        const double *x = kit_in(c, 0) + r * columns;
        int64_t last = -1;
        for (int64_t j = 0; j < k; j++) {
            int64_t best = -1;
            for (int64_t i = 0; i < columns; i++)
                if ((last < 0 || before(x, last, i)) && (best < 0 || before(x, i, best))) best = i;
            last = best;
            if (kit_out(c, 0)) kit_out(c, 0)[r * k + j] = x[best];
            if (c->out[1].data) ((int32_t *)c->out[1].data)[r * k + j] = (int32_t)best;
        }
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    if ((want & 1) && !value_absent(dy[0]))
        dx[0] = build_put(g, dy[0], kit_at(y, 1), value_node(g, y)->in[0]);
}

static void count(const call *c, cost *out) {
    kit_cost(c, (double)kit_elems(&c->in[0]), out);
}

static status draw(sample *s) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 9, dim);
    value x = sample_floats(s, rank, dim, -1, 1);
    return kit_sampled(s, build_topk(s->g, x, (int32_t)sample_int(s, 1, dim[rank - 1])));
}

value build_topk(graph *g, value x, int32_t k) {
    return graph_add(g, &op_topk, &(topk_params){k}, 1, &x);
}

static const field fields[] = {FIELD(topk_params, k, FIELD_INT32), {0}};
const op_def op_topk = {
    .name = "topk",
    .help = "the k largest of each row, and their positions",
    .params_bytes = sizeof(topk_params),
    .fields = fields,
    .n_in = 1,
    .n_out = 2,
    .shape = shape,
    .labels = kit_labels_rows,
    .reference = reference,
    .gradient = gradient,
    .cost = count,
    .sample = draw,
};
