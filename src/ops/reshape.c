/* A run of axes becomes another run with as many elements; the elements stay where they are. */
#include "ops/kit/convert.h"
#include "ops/shape.h"

/* The product of extents, of which at most one may be symbolic. */
static bool times_all(const extent *dim, int32_t count, extent *product) {
    *product = extent_of(1);
    for (int32_t d = 0; d < count; d++) {
        if (dim[d].sym && product->sym) return false;
        *product =
            dim[d].sym ? extent_times(dim[d], product->add) : extent_times(*product, dim[d].add);
    }
    return true;
}

static status shape(const graph *g, const node *n, type *out) {
    const reshape_params *p = n->params;
    const type *x = kit_type(g, n, 0);
    TRY(kit_need_floats(g, n, 0));
    if (p->axis < 0 || p->take < 0 || p->give < 0 || p->axis + p->take > x->rank ||
        x->rank - p->take + p->give > MAX_RANK)
        return op_fail(g, n, "axes %d .. %d cannot become %d axes", p->axis, p->axis + p->take - 1,
                       p->give);
    extent product;
    if (!times_all(x->dim + p->axis, p->take, &product))
        return op_fail(g, n, "two symbolic axes cannot be merged");
    int64_t constant = 1;
    int32_t rest = -1;
    for (int32_t d = 0; d < p->give; d++) {
        if (p->size[d] < 0 || (p->size[d] == 0 && rest >= 0) ||
            (p->size[d] && mul_overflows(constant, p->size[d], &constant)))
            return op_fail(g, n, "size %d of the new axes cannot be %lld", d,
                           (long long)p->size[d]);
        if (!p->size[d]) rest = d;
    }
    bool whole = true;
    extent left = extent_divide(product, constant, &whole);
    if (!whole || (rest < 0 && !extent_is(left, 1)))
        return op_fail(g, n, "the elements of axes %d .. %d do not fill the new axes", p->axis,
                       p->axis + p->take - 1);
    out[0].format = x->format;
    for (int32_t d = 0; d < p->axis; d++) out[0].dim[out[0].rank++] = x->dim[d];
    for (int32_t d = 0; d < p->give; d++)
        out[0].dim[out[0].rank++] = d == rest ? left : extent_of(p->size[d]);
    for (int32_t d = p->axis + p->take; d < x->rank; d++) out[0].dim[out[0].rank++] = x->dim[d];
    return STATUS_OK;
}

/* Units of the outermost axis survive where a whole number of them stays together. */
static void label(const graph *g, const node *n, labels *l) {
    const reshape_params *p = n->params;
    const type *x = kit_type(g, n, 0);
    for (int32_t d = 0; d < x->rank; d++) {
        if (d >= p->axis && d < p->axis + p->take) continue;
        int32_t o = d < p->axis ? d : d - p->take + p->give;
        l->in[0][d].label = l->out[0][o].label = (int8_t)(d + 1);
    }
    if (!p->take || !p->give || p->size[0] || (p->take > 1 && p->give > 1)) return;
    int64_t inner = 1;
    for (int32_t d = 1; d < p->give; d++) inner *= p->size[d];
    for (int32_t d = p->axis + 1; d < p->axis + p->take; d++) {
        if (x->dim[d].sym) return;
        inner *= x->dim[d].add;
    }
    axis_label one = {(int8_t)(p->axis + 1), 1}, many = {(int8_t)(p->axis + 1), inner};
    l->in[0][p->axis] = p->take > 1 ? one : many;
    l->out[0][p->axis] = p->take > 1 ? many : one;
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const reshape_params *p = value_node(g, y)->params;
    const type *x = value_type(g, value_node(g, y)->in[0]);
    if (!(want & 1)) return;
    int64_t size[MAX_RANK] = {0};
    bool symbolic = false;
    for (int32_t d = 0; d < p->take; d++) {
        extent e = x->dim[p->axis + d];
        symbolic |= e.sym != 0;
        size[d] = e.sym ? 0 : e.add;
    }
    if (p->take && !symbolic) size[0] = 0;
    dx[0] = build_reshape(g, dy[0], p->axis, p->give, p->take, size);
}

static void count(const call *c, cost *out) {
    (void)c;
    *out = (cost){0};
}

static status draw(sample *s) {
    int64_t a = sample_extent(s, 1, 4), b = sample_int(s, 1, 4), c = sample_extent(s, 1, 4);
    if (sample_int(s, 0, 1)) {
        value x = sample_floats(s, 3, (int64_t[]){c, a * b, 3}, -1, 1);
        return kit_sampled(s, build_reshape(s->g, x, 1, 1, 2, (int64_t[]){0, b}));
    }
    value x = sample_floats(s, 3, (int64_t[]){a, b, c}, -1, 1);
    int32_t axis = (int32_t)sample_int(s, 0, 2);
    if (sample_int(s, 0, 2) == 0)
        return kit_sampled(s, build_reshape(s->g, x, axis, 0, 1, (int64_t[]){1}));
    return kit_sampled(s, build_merge(s->g, x, axis, (int32_t)sample_int(s, 1, 3 - axis)));
}

value build_reshape(graph *g, value x, int32_t axis, int32_t take, int32_t give,
                    const int64_t *size) {
    reshape_params p = {.axis = axis, .take = take, .give = give};
    if (give > MAX_RANK)
        return graph_fail(g, STATUS_BAD_ARGUMENT, "reshape: %d axes are too many", give);
    for (int32_t d = 0; d < give; d++) p.size[d] = size[d];
    return graph_add(g, &op_reshape, &p, 1, &x);
}

value build_merge(graph *g, value x, int32_t axis, int32_t count_) {
    return build_reshape(g, x, axis, count_, 1, (int64_t[]){0});
}

static const field fields[] = {FIELD(reshape_params, axis, FIELD_INT32),
                               FIELD(reshape_params, take, FIELD_INT32),
                               FIELD(reshape_params, give, FIELD_INT32),
                               {.name = "size",
                                .kind = FIELD_INT64S,
                                .offset = offsetof(reshape_params, size),
                                .count = MAX_RANK},
                               {0}};
const op_def op_reshape = {
    .name = "reshape",
    .help = "y = x with a run of axes cut differently",
    .params_bytes = sizeof(reshape_params),
    .fields = fields,
    .n_in = 1,
    .n_out = 1,
    .linear = 1,
    .view_of = 1,
    .shape = shape,
    .labels = label,
    .reference = convert_reference,
    .gradient = gradient,
    .cost = count,
    .sample = draw,
};
