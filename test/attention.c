/* Ragged attention: the gradient against finite differences, kernels against the reference, and
 * equal bits however the work is cut. */
#include "test.h"
#include "ops/attention.h"
#include <math.h>
#include <stdlib.h>

/* ---- a sampled node as a call in doubles ---- */
typedef struct bench_case {
    sample s;
    call c;
    int32_t source[MAX_IN]; /* the sample's input that operand i holds, or -1 */
} bench_case;

static status make_case(bench_case *b, context *cx, const op_def *op, uint64_t seed) {
    *b = (bench_case){.s = {.g = graph_new(cx), .state = seed}};
    if (!b->s.g) return STATUS_NO_MEMORY;
    TRY(op->sample(&b->s));
    const node *n = value_node(b->s.g, b->s.y);
    b->c = (call){.node = n, .params = n->params, .n_in = n->n_in, .n_out = n->n_out};
    for (int32_t i = 0; i < n->n_in; i++) {
        b->source[i] = -1;
        if (value_absent(n->in[i])) continue;
        for (int32_t j = 0; j < b->s.n_inputs; j++)
            if (value_same(b->s.inputs[j].v, n->in[i])) b->source[i] = j;
        sample_input *x = &b->s.inputs[b->source[i]];
        const type *t = value_type(b->s.g, n->in[i]);
        b->c.in[i] = (tensor){.data = x->numbers, .format = t->format, .rank = t->rank};
        for (int32_t d = 0; d < t->rank; d++) b->c.in[i].dim[d] = t->dim[d].add;
        if (!x->ids) continue;
        int32_t *ids = ARENA_NEW(&b->s.g->mem, int32_t, x->count);
        if (!ids) return STATUS_NO_MEMORY;
        for (int64_t k = 0; k < x->count; k++) ids[k] = (int32_t)x->ids[k];
        b->c.in[i].data = ids;
    }
    for (int32_t o = 0; o < n->n_out; o++) {
        const type *t = &n->out[o];
        b->c.out[o] = (tensor){.format = t->format, .rank = t->rank};
        for (int32_t d = 0; d < t->rank; d++) b->c.out[o].dim[d] = t->dim[d].add;
        b->c.out[o].data = ARENA_NEW(&b->s.g->mem, double, type_bound_elems(b->s.g, t));
        if (!b->c.out[o].data) return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static int64_t elems_of(const tensor *t) {
    int64_t n = 1;
    for (int32_t d = 0; d < t->rank; d++) n *= t->dim[d];
    return n;
}

/* ---- gradient ---- */
/* w.(outputs), the function that is differentiated; rows without keys have no lse to count. */
static double objective(const call *c, const double *w_out, const double *w_lse) {
    op_attention.reference(c);
    const double *out = c->out[0].data, *lse = c->out[1].data;
    double sum = 0;
    for (int64_t i = 0; i < elems_of(&c->out[0]); i++) sum += w_out[i] * out[i];
    for (int64_t i = 0; i < elems_of(&c->out[1]); i++)
        if (isfinite(lse[i])) sum += w_lse[i] * lse[i];
    return sum;
}

static double *random_doubles(bench_case *b, int64_t n) {
    double *x = ARENA_NEW(&b->s.g->mem, double, n);
    for (int64_t i = 0; x && i < n; i++) x[i] = sample_real(&b->s, -1, 1);
    return x;
}

/* The directional derivative along a random direction of operand `i`, both ways; `spoil` breaks the
 * exact one. */
static void check_operand(test *t, bench_case *b, int32_t i, bool spoil) {
    static const int32_t gradient_of[ATTENTION_OPERANDS] = {[ATTENTION_Q] = ATTENTION_DQ,
                                                            [ATTENTION_K] = ATTENTION_DK,
                                                            [ATTENTION_V] = ATTENTION_DV,
                                                            [ATTENTION_SINKS] = ATTENTION_DSINKS};
    int64_t n = elems_of(&b->c.in[i]);
    double *direction = random_doubles(b, n), *x = b->c.in[i].data;
    double *w_out = random_doubles(b, elems_of(&b->c.out[0]));
    double *w_lse = random_doubles(b, elems_of(&b->c.out[1]));
    double *dx = ARENA_NEW(&b->s.g->mem, double, n);
    CHECK(t, direction && w_out && w_lse && dx, "memory");
    const double step = 1e-5;
    double side[2];
    for (int k = 0; k < 2; k++) {
        for (int64_t j = 0; j < n; j++) x[j] += (k ? -2 : 1) * step * direction[j];
        side[k] = objective(&b->c, w_out, w_lse);
    }
    for (int64_t j = 0; j < n; j++) x[j] += step * direction[j];
    objective(&b->c, w_out, w_lse);
    call back = {.params = b->c.params, .n_in = ATTENTION_BWD_OPERANDS, .n_out = 4};
    memcpy(back.in, b->c.in, ATTENTION_OPERANDS * sizeof *back.in);
    back.in[ATTENTION_OUT] = back.in[ATTENTION_DOUT] = b->c.out[0];
    back.in[ATTENTION_LSE] = back.in[ATTENTION_DLSE] = b->c.out[1];
    back.in[ATTENTION_DOUT].data = w_out;
    back.in[ATTENTION_DLSE].data = w_lse;
    back.out[gradient_of[i]] = b->c.in[i];
    back.out[gradient_of[i]].data = dx;
    op_attention_bwd.reference(&back);
    double exact = 0, numeric = (side[0] - side[1]) / (2 * step), size = 1;
    for (int64_t j = 0; j < n; j++) {
        exact += dx[j] * direction[j];
        size += fabs(dx[j]);
    }
    if (spoil) exact += 1e-3 * size;
    bool close = fabs(exact - numeric) <= 1e-7 * size;
    CHECK(t, close == !spoil, "operand %d: %.12g by formula, %.12g by difference", i, exact,
          numeric);
}

static void gradient_in_double(test *t) {
    static const int32_t operands[] = {ATTENTION_Q, ATTENTION_K, ATTENTION_V, ATTENTION_SINKS};
    for (uint64_t seed = 1; seed <= 60; seed++) {
        context *cx = context_new();
        bench_case b;
        CHECK_OK(t, cx, make_case(&b, cx, &op_attention, seed));
        for (int i = 0; i < 4; i++)
            if (b.c.in[operands[i]].data) check_operand(t, &b, operands[i], seed % 8 == 0);
        CHECK_OK(t, cx, graph_verify(b.s.g));
        graph_free(b.s.g);
        context_free(cx);
    }
}

/* The gradient rule builds nodes of the right types, and the sampler of the backward op gives it
 * finite work. */
static void gradient_as_graph(test *t) {
    for (uint64_t seed = 1; seed <= 40; seed++) {
        context *cx = context_new();
        bench_case b;
        CHECK_OK(t, cx, make_case(&b, cx, &op_attention, seed));
        graph *g = b.s.g;
        const node *n = value_node(g, b.s.y);
        value dy[MAX_OUT] = {graph_input(g, "dy", n->out[0]), NO_VALUE}, dx[MAX_IN];
        for (int32_t i = 0; i < MAX_IN; i++) dx[i] = NO_VALUE;
        uint32_t want = 7u | (b.c.in[ATTENTION_SINKS].data ? 1u << ATTENTION_SINKS : 0);
        op_attention.gradient(g, b.s.y, dy, want, dx);
        CHECK_OK(t, cx, graph_status(g));
        for (int32_t i = 0; i < ATTENTION_OPERANDS; i++)
            if (want >> i & 1)
                CHECK(t, type_same(value_type(g, dx[i]), value_type(g, n->in[i])), "operand %d", i);
        CHECK_OK(t, cx, graph_verify(g));
        graph_free(g);
        CHECK_OK(t, cx, make_case(&b, cx, &op_attention_bwd, seed));
        op_attention_bwd.reference(&b.c);
        for (int32_t o = 0; o < 4; o++)
            for (int64_t i = 0; i < elems_of(&b.c.out[o]); i++)
                CHECK(t, isfinite(((double *)b.c.out[o].data)[i]), "seed %d, output %d", (int)seed,
                      o);
        graph_free(b.s.g);
        context_free(cx);
    }
}

static void shape_errors(test *t) {
    static const struct {
        attention_params p;
        int64_t q, k;
        const char *words;
    } bad[] = {{{.head = 8, .group = 2, .scale = 1}, 24, 8, "columns of q"},
               {{.head = 8, .group = 2, .scale = 1}, 32, 8, "k (operand 1)"},
               {{.head = 0, .group = 2, .scale = 1}, 32, 16, "head size"},
               {{.head = 8, .group = 2, .scale = 1, .page = 4}, 32, 16, "page table"},
               {{.head = 8, .group = 2, .scale = NAN}, 32, 16, "sound"}};
    for (int i = 0; i < COUNT_OF(bad); i++) {
        context *cx = context_new();
        graph *g = graph_new(cx);
        const num_format *f = num_find("f32"), *ids = num_find("i32");
        value q = graph_input(g, "q", type_fixed(f, 2, (int64_t[]){5, bad[i].q}));
        value k = graph_input(g, "k", type_fixed(f, 2, (int64_t[]){5, bad[i].k}));
        value offsets = graph_input(g, "offsets", type_fixed(ids, 1, (int64_t[]){2}));
        value in[] = {q, k, k, offsets, NO_VALUE, NO_VALUE, NO_VALUE};
        (void)build_attention(g, &bad[i].p, in);
        const char *said = context_error(cx);
        CHECK(t, strstr(said, bad[i].words) && strstr(said, "attention(f32[5,"), "%s", said);
        graph_free(g);
        context_free(cx);
    }
}

/* Pairs are those of the mask, counted by hand. */
static void cost_counts_pairs(test *t) {
    attention_params p = {.head = 8, .group = 1, .scale = 1, .causal = true, .window = 3};
    int32_t offsets[] = {0, 4, 5};
    call c = {.params = &p, .n_in = ATTENTION_OPERANDS, .n_out = 2};
    c.in[ATTENTION_Q] = c.in[ATTENTION_K] = c.in[ATTENTION_V] = c.out[0] =
        (tensor){.format = num_find("f32"), .rank = 2, .dim = {5, 16}};
    c.in[ATTENTION_Q_OFFSETS] =
        (tensor){.data = offsets, .format = num_find("i32"), .rank = 1, .dim = {3}};
    cost k;
    op_attention.cost(&c, &k);
    CHECK(t, k.flops == 4.0 * 8 * 2 * (1 + 2 + 3 + 3 + 1), "%g", k.flops);
    op_attention_bwd.cost(&c, &k);
    CHECK(t, k.flops == 10.0 * 8 * 2 * (1 + 2 + 3 + 3 + 1), "%g", k.flops);
}

const test_case suite_attention[] = {{"gradient_in_double", gradient_in_double},
                                     {"gradient_as_graph", gradient_as_graph},
                                     {"shape_errors", shape_errors},
                                     {"cost_counts_pairs", cost_counts_pairs},
                                     {0}};
