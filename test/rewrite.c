/* Rewrites on random graphs: what autodiff adds is the derivative, and a rewrite keeps what was
 * there. */
#include "exec/plan.h"
#include "graph/rewrite.h"
#include "ops/binary.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/unary.h"
#include "rewrite/autodiff.h"
#include "test.h"
#include <math.h>

extern const rewrite_def rewrite_fuse;

enum { ROWS = 3, COLUMNS = 5, ELEMS = ROWS * COLUMNS };

/* A random chain of smooth ops over two parameters, whose values are often read more than once. */
static graph *random_graph(context *cx, sample *s) {
    graph *g = graph_new(cx);
    if (!g) return NULL;
    type t = type_fixed(num_find("f64"), 2, (int64_t[]){ROWS, COLUMNS});
    value pool[16];
    int32_t n = 0;
    pool[n++] = graph_state(g, "a", t, TAG_PARAMETER);
    pool[n++] = graph_state(g, "b", t, TAG_PARAMETER);
    pool[n++] = graph_input(g, "x", t);
    while (n < 14) {
        value u = pool[sample_int(s, 0, n - 1)], v = pool[sample_int(s, MAX_OF(0, n - 3), n - 1)];
        switch (sample_int(s, 0, 5)) {
        case 0:
            pool[n] = build_add(g, u, v);
            break;
        case 1:
            pool[n] = build_mul(g, u, v);
            break;
        case 2:
            pool[n] = build_tanh(g, v);
            break;
        case 3:
            pool[n] = build_sigmoid(g, v);
            break;
        case 4:
            pool[n] = build_sub(g, u, v);
            break;
        default:
            pool[n] = build_silu(g, v);
            break;
        }
        n++;
    }
    value last = build_add(g, build_mul(g, pool[13], pool[0]), build_mul(g, pool[12], pool[1]));
    graph_mark(g, MARK_LOSS, "loss", build_mean(g, last, 3, true), NO_VALUE);
    return g;
}

static double run_loss(plan *p) {
    plan_run(p, 1);
    return *(double *)plan_tensor(p, plan_find_output(p, "loss"))->data;
}

static status gradient_error(context *cx, graph *g, sample *s, double *error) {
    states *store = states_new(cx);
    plan *p = NULL;
    TRY(plan_new(cx, g, store, NULL, &(plan_options){.isa_limit = ISA_AMX, .poison = true}, &p));
    double *a = states_find(store, "a")->t.data, *b = states_find(store, "b")->t.data;
    value given = plan_find_input(p, "x"); /* absent where the random graph does not read it */
    double unread[ELEMS], *x = value_absent(given) ? unread : plan_tensor(p, given)->data,
                          da[ELEMS], db[ELEMS], along = 0, step = 1e-6;
    for (int i = 0; i < ELEMS; i++) {
        a[i] = sample_real(s, -1, 1), b[i] = sample_real(s, -1, 1), x[i] = sample_real(s, -1, 1);
        da[i] = sample_real(s, -1, 1), db[i] = sample_real(s, -1, 1);
    }
    TRY(plan_bind(p, (int64_t[]){0}));
    TRY(plan_load(p));
    plan_run(p, 1);
    const mark *ga = graph_find_mark(g, MARK_GRADIENT, graph_find(g, "a"));
    const mark *gb = graph_find_mark(g, MARK_GRADIENT, graph_find(g, "b"));
    for (int i = 0; i < ELEMS; i++)
        along += ((double *)plan_tensor(p, ga->at)->data)[i] * da[i] +
                 ((double *)plan_tensor(p, gb->at)->data)[i] * db[i];
    for (int i = 0; i < ELEMS; i++) a[i] += step * da[i], b[i] += step * db[i];
    double up = run_loss(p);
    for (int i = 0; i < ELEMS; i++) a[i] -= 2 * step * da[i], b[i] -= 2 * step * db[i];
    *error = fabs((up - run_loss(p)) / (2 * step) - along) / (1e-3 + fabs(along));
    plan_free(p);
    states_free(store);
    return STATUS_OK;
}

static void gradients(test *t) {
    sample s = {.state = 3};
    for (int round = 0; round < 40; round++) {
        context *cx = context_new();
        graph *g = random_graph(cx, &s), *d;
        uint32_t facts = 0;
        double error;
        CHECK_OK(t, cx, rewrite_run(&rewrite_autodiff, g, NULL, &facts, &d));
        CHECK_OK(t, cx, gradient_error(cx, d, &s, &error));
        CHECK(t, error < 1e-6, "round %d: relative error %g", round, error);
        graph *twice;
        CHECK_FAILS(t, cx, rewrite_run(&rewrite_autodiff, d, NULL, &facts, &twice),
                    STATUS_BAD_ARGUMENT, "rewrite 'autodiff'");
        graph_free(d);
        graph_free(g);
        CHECK(t, context_live_allocations(cx) == 0, "%lld left",
              (long long)context_live_allocations(cx));
        context_free(cx);
    }
}

/* Every allocation on the way to a plan may fail: an error each time, nothing left behind. */
static void allocation_failures(test *t) {
    int64_t n = 0;
    for (bool done = false; !done; n++) {
        context *cx = context_new();
        sample s = {.state = 5};
        context_fail_allocation_after(cx, n);
        graph *g = random_graph(cx, &s), *d = NULL;
        states *store = states_new(cx);
        plan *p = NULL;
        uint32_t facts = 0;
        status st =
            g && store ? rewrite_run(&rewrite_autodiff, g, NULL, &facts, &d) : STATUS_NO_MEMORY;
        if (st == STATUS_OK)
            st = plan_new(cx, d, store, NULL, &(plan_options){.isa_limit = ISA_AMX}, &p);
        done = st == STATUS_OK;
        CHECK(t, done || st == STATUS_NO_MEMORY, "allocation %lld: %s: %s", (long long)n,
              status_name(st), context_error(cx));
        plan_free(p);
        states_free(store);
        graph_free(d);
        graph_free(g);
        CHECK(t, context_live_allocations(cx) == 0, "allocation %lld: %lld left", (long long)n,
              (long long)context_live_allocations(cx));
        context_free(cx);
    }
    CHECK(t, n > 10, "only %lld allocations were tried", (long long)n);
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
    *loss = run_loss(p);
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

const test_case suite_rewrite[] = {
    {"gradients", gradients}, {"fused", fused}, {"allocation_failures", allocation_failures}, {0}};
