/* Rewrites on random graphs: what autodiff adds is the derivative, and a rewrite keeps what was
 * there. */
#include "exec/plan.h"
#include "graph/rewrite.h"
#include "ops/binary.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/reduce.h"
#include "ops/unary.h"
#include "rewrite/autodiff.h"
#include "test.h"
#include <math.h>
#include <stdio.h>

extern const rewrite_def rewrite_act_int8, rewrite_fuse;

enum { ROWS = 3, COLUMNS = 5, ELEMS = ROWS * COLUMNS, STATES = 3 };

/* silu, known by its expansion only. */
static void expand_silu(graph *g, value y, const value *in, value *out) {
    (void)y;
    out[0] = build_mul(g, in[0], build_sigmoid(g, in[0]));
}
static op_def expanded_silu;

static value add_random(graph *g, sample *s, value u, value v, value square) {
    switch (sample_int(s, 0, 10)) {
    case 0:
        return build_add(g, u, v);
    case 1:
        return build_mul(g, u, v);
    case 2:
        return build_tanh(g, v);
    case 3:
        return build_sigmoid(g, v);
    case 4:
        return build_sub(g, u, v);
    case 5:
        return build_gelu(g, v);
    case 6:
        return build_matmul(g, v, square, false, sample_int(s, 0, 1), NULL);
    case 7:
        return build_rms_norm(g, v, NO_VALUE, 0.3);
    case 8:
        return build_layer_norm(g, v, NO_VALUE, NO_VALUE, 0.3);
    case 9:
        return graph_add(g, &expanded_silu, NULL, 1, &v);
    default:
        return build_silu(g, v);
    }
}

/* A random chain of smooth ops over parameters, whose values are often read more than once. */
static graph *random_graph(context *cx, sample *s) {
    graph *g = graph_new(cx);
    if (!g) return NULL;
    expanded_silu = op_silu;
    expanded_silu.gradient = NULL;
    expanded_silu.expand = expand_silu;
    type t = type_fixed(num_find("f64"), 2, (int64_t[]){ROWS, COLUMNS});
    type square = type_fixed(num_find("f64"), 2, (int64_t[]){COLUMNS, COLUMNS});
    value pool[16], c = graph_state(g, "c", square, TAG_PARAMETER);
    int32_t n = 0;
    pool[n++] = graph_state(g, "a", t, TAG_PARAMETER);
    pool[n++] = graph_state(g, "b", t, TAG_PARAMETER);
    pool[n++] = graph_input(g, "x", t);
    while (n < 14) {
        value u = pool[sample_int(s, 0, n - 1)], v = pool[sample_int(s, MAX_OF(0, n - 3), n - 1)];
        pool[n++] = add_random(g, s, u, v, c);
    }
    value last = build_add(g, build_mul(g, pool[13], pool[0]),
                           build_mul(g, build_matmul(g, pool[12], c, false, false, NULL), pool[1]));
    graph_mark(g, MARK_LOSS, "loss", build_mean(g, last, 3, true), NO_VALUE);
    return g;
}

static double run_loss(plan *p, const char *name) {
    plan_run(p, 1);
    return *(double *)plan_tensor(p, plan_find_output(p, name))->data;
}

static void fill_random(const tensor *t, sample *s) {
    for (int64_t i = 0; i < tensor_elems(t); i++) ((double *)t->data)[i] = sample_real(s, -1, 1);
}

/* Moves every state along its way; the sum of gradient times way. */
static double move_states(plan *p, states *store, double way[STATES][COLUMNS * COLUMNS],
                          double by) {
    double along = 0;
    for (int32_t i = 0; i < states_count(store); i++) {
        const state *held = states_at(store, i);
        const mark *m = graph_find_mark(p->g, MARK_GRADIENT, graph_find(p->g, held->name));
        const double *slope = m ? plan_tensor(p, m->at)->data : NULL;
        for (int64_t j = 0; j < tensor_elems(&held->t); j++) {
            along += slope ? slope[j] * way[i][j] : 0;
            ((double *)held->t.data)[j] += by * way[i][j];
        }
    }
    return along;
}

/* The derivative of the named loss along a random way, by the marked gradients and by differences. */
static status gradient_error(context *cx, graph *g, const char *loss, sample *s, double *error) {
    states *store = states_new(cx);
    plan *p = NULL;
    double way[STATES][COLUMNS * COLUMNS], step = 1e-5;
    TRY(plan_new(cx, g, store, NULL, &(plan_options){.isa_limit = ISA_AMX, .poison = true}, &p));
    for (int32_t i = 0; i < states_count(store); i++) fill_random(&states_at(store, i)->t, s);
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i]->op == &op_input) fill_random(plan_tensor(p, (value){i, 0}), s);
    for (int32_t i = 0; i < STATES; i++)
        for (int32_t j = 0; j < COLUMNS * COLUMNS; j++) way[i][j] = sample_real(s, -1, 1);
    TRY(plan_bind(p, (int64_t[]){0}));
    TRY(plan_load(p));
    plan_run(p, 1);
    double along = move_states(p, store, way, step);
    TRY(plan_load(p));
    double up = run_loss(p, loss);
    (void)move_states(p, store, way, -2 * step);
    TRY(plan_load(p));
    double numeric = (up - run_loss(p, loss)) / (2 * step);
    *error = fabs(numeric - along) / (1e-3 + fabs(along));
    plan_free(p);
    states_free(store);
    return STATUS_OK;
}

/* A second loss: the gradients along ways that are inputs. */
static void add_second_loss(graph *g) {
    static const char *const names[STATES] = {"a", "b", "c"};
    value sum = NO_VALUE;
    g->phase = PHASE_BACKWARD;
    for (int32_t i = 0; i < STATES; i++) {
        const mark *m = graph_find_mark(g, MARK_GRADIENT, graph_find(g, names[i]));
        char name[16];
        snprintf(name, sizeof name, "way.%s", names[i]);
        value way = graph_input(g, name, *value_type(g, m->at));
        value one = build_sum(g, build_mul(g, m->at, way), 3, true);
        sum = value_absent(sum) ? one : build_add(g, sum, one);
    }
    graph_mark(g, MARK_LOSS, "second", sum, NO_VALUE);
    g->phase = PHASE_FORWARD;
}

static void gradients(test *t) {
    sample s = {.state = 3};
    int seen = 0; /* control: derivatives of the one loss are not those of the other */
    for (int round = 0; round < 40; round++) {
        context *cx = context_new();
        graph *g = random_graph(cx, &s), *d, *twice;
        uint32_t facts = 0;
        double error;
        CHECK_OK(t, cx, rewrite_run(&rewrite_autodiff, g, NULL, &facts, &d));
        CHECK_OK(t, cx, gradient_error(cx, d, "loss", &s, &error));
        CHECK(t, error < 1e-6, "round %d: relative error %g", round, error);
        CHECK_FAILS(t, cx, rewrite_run(&rewrite_autodiff, d, NULL, &facts, &twice),
                    STATUS_BAD_ARGUMENT, "loss 'loss' is differentiated already");
        add_second_loss(d);
        CHECK_OK(t, cx, rewrite_run(&rewrite_autodiff, d, NULL, &facts, &twice));
        CHECK_OK(t, cx, gradient_error(cx, twice, "second", &s, &error));
        CHECK(t, error < 1e-5, "round %d, second derivative: relative error %g", round, error);
        CHECK_OK(t, cx, gradient_error(cx, twice, "loss", &s, &error));
        seen += error > 1e-2;
        graph_free(twice);
        graph_free(d);
        graph_free(g);
        CHECK(t, context_live_allocations(cx) == 0, "%lld left",
              (long long)context_live_allocations(cx));
        context_free(cx);
    }
    CHECK(t, seen > 30, "only %d of 40 wrong derivatives were seen", seen);
}

/* Of sum(a^3) along x: 6 a x. Of sum((x c)^2) along way: 2 x^T x way. */
static void second_in_closed_form(test *t) {
    context *cx = context_new();
    for (int product = 0; product < 2; product++) {
        graph *g = graph_new(cx), *d, *twice;
        int64_t dim[] = {COLUMNS, COLUMNS};
        type square = type_fixed(num_find("f64"), 2, dim);
        value a = graph_state(g, "a", square, TAG_PARAMETER), x = graph_input(g, "x", square);
        value y = product ? build_square(g, build_matmul(g, x, a, false, false, NULL))
                          : build_mul(g, a, build_square(g, a));
        graph_mark(g, MARK_LOSS, "loss", build_sum(g, y, 3, true), NO_VALUE);
        uint32_t facts = 0;
        CHECK_OK(t, cx, rewrite_run(&rewrite_autodiff, g, NULL, &facts, &d));
        d->phase = PHASE_BACKWARD;
        value first = graph_find_mark(d, MARK_GRADIENT, graph_find(d, "a"))->at;
        value way = graph_input(d, "way", square);
        graph_mark(d, MARK_LOSS, "along", build_sum(d, build_mul(d, first, way), 3, true),
                   NO_VALUE);
        CHECK_OK(t, cx, rewrite_run(&rewrite_autodiff, d, NULL, &facts, &twice));
        states *store = states_new(cx);
        plan *p;
        sample s = {.state = 12};
        CHECK_OK(t, cx, plan_new(cx, twice, store, NULL, &(plan_options){.poison = true}, &p));
        const double *at = states_find(store, "a")->t.data;
        fill_random(&states_find(store, "a")->t, &s);
        fill_random(plan_tensor(p, plan_find_input(p, "way")), &s);
        const double *v = plan_tensor(p, plan_find_input(p, "way"))->data, *in = NULL;
        if (product) {
            fill_random(plan_tensor(p, plan_find_input(p, "x")), &s);
            in = plan_tensor(p, plan_find_input(p, "x"))->data;
        }
        CHECK_OK(t, cx, plan_bind(p, (int64_t[]){0}));
        CHECK_OK(t, cx, plan_load(p));
        plan_run(p, 1);
        const mark *m = graph_find_mark(twice, MARK_GRADIENT, graph_find(twice, "a"));
        const double *got = plan_tensor(p, m->at)->data;
        for (int32_t i = 0; i < COLUMNS * COLUMNS; i++) {
            double want = product ? 0 : 6 * at[i] * v[i];
            for (int32_t k = 0; k < COLUMNS * COLUMNS && product; k++)
                want += 2 * in[k / COLUMNS * COLUMNS + i / COLUMNS] * in[k] *
                        v[k % COLUMNS * COLUMNS + i % COLUMNS];
            CHECK(t, fabs(got[i] - want) < 1e-12 * (1 + fabs(want)), "%d, element %d: %g, not %g",
                  product, i, got[i], want);
        }
        plan_free(p);
        states_free(store);
        graph_free(twice);
        graph_free(d);
        graph_free(g);
    }
    CHECK(t, context_live_allocations(cx) == 0, "%lld left",
          (long long)context_live_allocations(cx));
    context_free(cx);
}

/* Random chains around matrix products, which fuse folds where it may. */
static graph *random_products(context *cx, sample *s) {
    graph *g = graph_new(cx);
    const num_format *f64 = num_find("f64");
    type row = type_fixed(f64, 2, (int64_t[]){ROWS, COLUMNS}),
         bias = type_fixed(f64, 1, (int64_t[]){COLUMNS});
    type square = type_fixed(f64, 2, (int64_t[]){COLUMNS, COLUMNS});
    value x = graph_input(g, "x", row), w = graph_state(g, "a", square, TAG_PARAMETER);
    value b = graph_state(g, "b", bias, TAG_PARAMETER), before = x;
    for (int32_t i = 0; i < 12; i++) {
        value now = x;
        switch (sample_int(s, 0, 6)) {
        case 0:
            x = build_add(g, x, b);
            break;
        case 1:
            x = build_silu(g, x);
            break;
        case 2:
            x = build_add(g, before, x);
            break;
        case 3:
            x = build_mul(g, build_sigmoid(g, before), x);
            break;
        case 4:
            x = build_tanh(g, x);
            break;
        default:
            x = build_matmul(g, x, w, false, sample_int(s, 0, 1), NULL);
            break;
        }
        before = now;
    }
    graph_mark(g, MARK_LOSS, "loss", build_mean(g, x, 3, true), NO_VALUE);
    return g;
}

static status loss_of(context *cx, const graph *g, double *loss) {
    states *store = states_new(cx);
    plan *p = NULL;
    sample s = {.state = 99};
    TRY(plan_new(cx, g, store, NULL, &(plan_options){.isa_limit = ISA_AMX, .poison = true}, &p));
    for (int32_t i = 0; i < 3; i++) {
        static const char *const names[] = {"x", "a", "b"};
        value v = graph_find(g, names[i]);
        for (int64_t j = 0; j < COLUMNS * COLUMNS; j++) {
            double number = sample_real(&s, -1, 1);
            if (!value_absent(v) && j < tensor_elems(plan_tensor(p, v)))
                ((double *)plan_tensor(p, v)->data)[j] = number;
        }
    }
    TRY(plan_bind(p, (int64_t[]){0}));
    TRY(plan_load(p));
    *loss = run_loss(p, "loss");
    plan_free(p);
    states_free(store);
    return STATUS_OK;
}

static void fused(test *t) {
    sample s = {.state = 8};
    int32_t folded = 0;
    for (int round = 0; round < 200; round++) {
        context *cx = context_new();
        graph *g = random_products(cx, &s), *once, *twice;
        uint32_t facts = 0;
        double plain, after, again;
        CHECK_OK(t, cx, rewrite_run(&rewrite_fuse, g, NULL, &facts, &once));
        CHECK_OK(t, cx, rewrite_run(&rewrite_fuse, once, NULL, &facts, &twice));
        CHECK_OK(t, cx, loss_of(cx, g, &plain));
        CHECK_OK(t, cx, loss_of(cx, once, &after));
        CHECK_OK(t, cx, loss_of(cx, twice, &again));
        CHECK(t, fabs(after - plain) <= 1e-12 * (1 + fabs(plain)), "round %d: %.17g, before %.17g",
              round, after, plain);
        CHECK(t, fabs(again - plain) <= 1e-12 * (1 + fabs(plain)),
              "round %d, twice: %.17g, before %.17g", round, again, plain);
        CHECK(t, twice->n_nodes <= once->n_nodes && once->n_nodes <= g->n_nodes,
              "round %d: more nodes", round);
        folded += g->n_nodes - once->n_nodes;
        graph_free(twice);
        graph_free(once);
        graph_free(g);
        CHECK(t, context_live_allocations(cx) == 0, "%lld left",
              (long long)context_live_allocations(cx));
        context_free(cx);
    }
    CHECK(t, folded > 200, "only %d nodes were folded in 200 graphs", folded);
}

/* Two products over one value with quantised weights, and one with plain weights. */
static graph *quantised_products(context *cx) {
    graph *g = graph_new(cx);
    value x = graph_input(g, "x", type_fixed(num_find("f32"), 2, (int64_t[]){4, 96}));
    static const char *const formats[] = {"q4_0", "uint4_g32", "f32"};
    for (int i = 0; i < 3; i++) {
        type t = type_fixed(num_find(formats[i]), 2, (int64_t[]){8, 96});
        value w = graph_state(g, formats[i], t, TAG_PARAMETER);
        graph_mark(g, MARK_OUTPUT, formats[i], build_matmul(g, x, w, false, true, NULL), NO_VALUE);
    }
    return g;
}

static status run_products(context *cx, const graph *g, bool reference, double out[3][32]) {
    states *store = states_new(cx);
    plan *p = NULL;
    plan_options options = {.isa_limit = ISA_AMX, .reference_only = reference};
    static const char *const names[] = {"q4_0", "uint4_g32", "f32"};
    double w[8 * 96];
    TRY(plan_new(cx, g, store, NULL, &options, &p));
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 8 * 96; j++) w[j] = 0.5 + sin(1.7 * j + i);
        TRY(states_set(store, names[i], w, 8 * 96));
    }
    float *x = plan_tensor(p, plan_find_input(p, "x"))->data;
    for (int j = 0; j < 4 * 96; j++) x[j] = (float)(0.5 + cos(0.9 * j)) * (float)(1 + j / 96);
    TRY(plan_bind(p, (int64_t[]){0}));
    TRY(plan_load(p));
    plan_run(p, 1);
    for (int i = 0; i < 3; i++) tensor_get(plan_tensor(p, plan_find_output(p, names[i])), out[i]);
    plan_free(p);
    states_free(store);
    return STATUS_OK;
}

static void rounded_activations(test *t) {
    context *cx = context_new();
    graph *g = quantised_products(cx), *once, *twice;
    uint32_t facts = 0;
    static double plain[3][32], reference[3][32], kernels[3][32];
    CHECK_OK(t, cx, graph_status(g));
    CHECK_OK(t, cx, rewrite_run(&rewrite_act_int8, g, NULL, &facts, &once));
    CHECK_OK(t, cx, rewrite_run(&rewrite_act_int8, once, NULL, &facts, &twice));
    CHECK(t, once->n_nodes == g->n_nodes + 1, "rounded %d times", once->n_nodes - g->n_nodes);
    CHECK(t, twice->n_nodes == once->n_nodes, "rounded again");
    CHECK_OK(t, cx, run_products(cx, g, true, plain));
    CHECK_OK(t, cx, run_products(cx, once, true, reference));
    CHECK_OK(t, cx, run_products(cx, once, false, kernels));
    for (int i = 0; i < 3; i++) {
        double moved = 0, apart = 0, size = 0;
        for (int j = 0; j < 32; j++) {
            moved = fmax(moved, fabs(reference[i][j] - plain[i][j]));
            apart = fmax(apart, fabs(kernels[i][j] - reference[i][j]));
            size = fmax(size, fabs(plain[i][j]));
        }
        CHECK(t, apart <= 1e-5 * size, "product %d: kernel and reference are %g apart", i, apart);
        CHECK(t, i == 2 ? moved == 0 : moved > 0 && moved <= rewrite_act_int8.tolerance * size,
              "product %d moved by %g of %g", i, moved, size);
    }
    graph_free(twice);
    graph_free(once);
    graph_free(g);
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

const test_case suite_rewrite[] = {{"gradients", gradients},
                                   {"rounded_activations", rounded_activations},
                                   {"second_in_closed_form", second_in_closed_form},
                                   {"fused", fused},
                                   {0}};
