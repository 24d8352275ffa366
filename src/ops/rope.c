/* Rotary positions. A turn is linear in x, and its gradient is the turn back. */
#include "ops/rope.h"
#include "ops/kit/kit.h"
#include <math.h>

static status shape(const graph *g, const node *n, type *out) {
    const rope_params *p = n->params;
    const type *x = kit_type(g, n, ROPE_X), *positions = kit_type(g, n, ROPE_POSITIONS);
    const type *frequencies = kit_type(g, n, ROPE_FREQUENCIES);
    TRY(kit_need_floats(g, n, ROPE_X));
    TRY(kit_need_floats(g, n, ROPE_FREQUENCIES));
    TRY(kit_need_rank(g, n, ROPE_X, 2));
    TRY(kit_need_rank(g, n, ROPE_POSITIONS, 1));
    TRY(kit_need_rank(g, n, ROPE_FREQUENCIES, 1));
    if (p->head < 1 || p->rotary < 0 || p->rotary > p->head || p->rotary % 2)
        return op_fail(g, n, "%d rotary elements in a head of %d", p->rotary, p->head);
    if (x->dim[1].sym || x->dim[1].add % p->head)
        return op_fail(g, n, "the columns of x (operand 0) are no whole heads of %d", p->head);
    if (!extent_same(x->dim[0], positions->dim[0]))
        return op_fail(g, n, "x and positions (operands 0, 1) differ in tokens");
    if (!extent_is(frequencies->dim[0], p->rotary / 2))
        return op_fail(g, n, "there must be %d frequencies (operand 2)", p->rotary / 2);
    out[0] = *x;
    return STATUS_OK;
}

static void label(const graph *g, const node *n, labels *l) {
    (void)g;
    const rope_params *p = n->params;
    l->in[ROPE_X][0].label = l->in[ROPE_POSITIONS][0].label = l->out[0][0].label = 1;
    l->in[ROPE_X][1] = l->out[0][1] = (axis_label){2, p->head};
}

static void reference(const call *c) {
    const rope_params *p = c->params;
    int64_t rows = c->in[ROPE_X].dim[0], columns = c->in[ROPE_X].dim[1], pairs = p->rotary / 2;
    for (int64_t at = 0; at < rows * columns; at += p->head) {
        const double *x = kit_in(c, ROPE_X) + at;
        double *y = kit_out(c, 0) + at;
        double position = (double)kit_id(&c->in[ROPE_POSITIONS], at / columns);
        for (int64_t k = p->rotary; k < p->head; k++) y[k] = x[k];
        for (int64_t j = 0; j < pairs; j++) {
            double angle = position * kit_in(c, ROPE_FREQUENCIES)[j];
            double cosine = p->scale * cos(angle), sine = p->scale * sin(p->back ? -angle : angle);
            int64_t a = p->interleaved ? 2 * j : j, b = p->interleaved ? 2 * j + 1 : j + pairs;
            double first = x[a], second = x[b];
            y[a] = first * cosine - second * sine;
            y[b] = second * cosine + first * sine;
        }
    }
}

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    const node *n = value_node(g, y);
    rope_params p = *(const rope_params *)n->params;
    p.back = !p.back;
    if (want & 1) dx[0] = build_rope(g, &p, dy[0], n->in[ROPE_POSITIONS], n->in[ROPE_FREQUENCIES]);
}

static void count(const call *c, cost *out) {
    kit_cost(c, 4 * (double)kit_elems(&c->out[0]), out);
}

static status draw(sample *s) {
    rope_params p = {.head = 2 * (int32_t)sample_int(s, 1, 4),
                     .interleaved = sample_int(s, 0, 1),
                     .back = sample_int(s, 0, 1),
                     .scale = sample_int(s, 0, 1) ? 1 : sample_real(s, 0.5, 2)};
    p.rotary = sample_int(s, 0, 1) ? p.head : 2 * (int32_t)sample_int(s, 0, p.head / 2);
    int64_t tokens = sample_extent(s, 1, 6), pairs = p.rotary / 2;
    int64_t dim[2] = {tokens, sample_extent(s, 1, 3) * p.head};
    value x = sample_floats(s, 2, dim, -1, 1), positions = sample_ids(s, 1, &tokens, 1000);
    return kit_sampled(s, build_rope(s->g, &p, x, positions, sample_floats(s, 1, &pairs, 0, 1)));
}

value build_rope(graph *g, const rope_params *p, value x, value positions, value frequencies) {
    return graph_add(g, &op_rope, p, 3, (value[]){x, positions, frequencies});
}

static const field fields[] = {
    FIELD(rope_params, head, FIELD_INT32),       FIELD(rope_params, rotary, FIELD_INT32),
    FIELD(rope_params, interleaved, FIELD_BOOL), FIELD(rope_params, back, FIELD_BOOL),
    FIELD(rope_params, scale, FIELD_DOUBLE),     {0}};
const op_def op_rope = {
    .name = "rope",
    .help = "y = pairs of x turned by position * frequency",
    .params_bytes = sizeof(rope_params),
    .fields = fields,
    .n_in = 3,
    .n_out = 1,
    .index_in = 1 << ROPE_POSITIONS,
    .no_grad_in = 1 << ROPE_FREQUENCIES,
    .linear = 1 << ROPE_X,
    .may_overwrite = 1 << ROPE_X,
    .shape = shape,
    .labels = label,
    .reference = reference,
    .gradient = gradient,
    .cost = count,
    .sample = draw,
};
