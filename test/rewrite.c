/* Rewrites on random graphs: what autodiff adds is the derivative, and a rewrite keeps what was
 * there. */
#include "exec/plan.h"
#include "graph/rewrite.h"
#include "ops/binary.h"
#include "ops/reduce.h"
#include "ops/unary.h"
#include "rewrite/autodiff.h"
#include "test.h"
#include <math.h>

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

const test_case suite_rewrite[] = {
    {"gradients", gradients}, {"allocation_failures", allocation_failures}, {0}};
