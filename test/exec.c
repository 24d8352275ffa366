/* Plans: memory that never overlaps while alive, extents bound per step, errors that say what is
 * wrong. */
#include "base/time.h"
#include "base/json.h"
#include "exec/place.h"
#include "exec/plan.h"
#include "exec/trace.h"
#include "ops/binary.h"
#include "ops/fill.h"
#include "ops/unary.h"
#include "test.h"
#include <stdio.h>

static void placement(test *t) {
    context *cx = context_new();
    sample s = {.state = 7};
    for (int round = 0; round < 50; round++) {
        piece p[60];
        int64_t total, live;
        for (int i = 0; i < 60; i++) {
            int32_t from = (int32_t)sample_int(&s, 0, 40);
            p[i] = (piece){.size_bytes = sample_int(&s, 0, 5000),
                           .from = from,
                           .to = from + (int32_t)sample_int(&s, 0, 9)};
        }
        CHECK_OK(t, cx, place_pieces(cx, p, 60, &total, &live));
        for (int i = 0; i < 60; i++)
            for (int j = 0; j < i; j++) {
                bool together = p[i].from <= p[j].to && p[j].from <= p[i].to && p[i].size_bytes &&
                                p[j].size_bytes;
                bool overlap = p[i].offset < p[j].offset + p[j].size_bytes &&
                               p[j].offset < p[i].offset + p[i].size_bytes;
                CHECK(t, !(together && overlap), "pieces %d and %d", i, j);
            }
        CHECK(t, total >= live && total <= live + live / 3, "%lld for %lld live", (long long)total,
              (long long)live);
    }
    context_free(cx);
}

static void bound_per_step(test *t) {
    context *cx = context_new();
    graph *g = graph_new(cx);
    int32_t tokens = graph_symbol(g, "tokens", 8);
    type row = type_of(num_find("f32"), 2, (extent[]){extent_symbol(tokens), extent_of(3)});
    value y = build_fill(g, graph_input(g, "x", row), 2.5);
    graph_mark(g, MARK_OUTPUT, "y", y, NO_VALUE);
    CHECK_OK(t, cx, graph_status(g));
    states *store = states_new(cx);
    plan *p;
    CHECK_OK(
        t, cx,
        plan_new(cx, g, store, NULL, &(plan_options){.isa_limit = ISA_AMX, .poison = true}, &p));
    CHECK_OK(t, cx, plan_load(p));
    CHECK_FAILS(t, cx, plan_bind(p, (int64_t[]){0, 9}), STATUS_BAD_ARGUMENT,
                "symbol 'tokens' is 9, but lies in 1..8");
    for (int64_t n = 1; n <= 8; n++) {
        CHECK_OK(t, cx, plan_bind(p, (int64_t[]){0, n}));
        plan_run(p, 0);
        const tensor *out = plan_tensor(p, plan_find_output(p, "y"));
        CHECK(t, out->dim[0] == n && tensor_elems(out) == 3 * n, "%lld rows",
              (long long)out->dim[0]);
        for (int64_t i = 0; i < 3 * n; i++)
            CHECK(t, ((float *)out->data)[i] == 2.5f, "element %lld", (long long)i);
    }
    plan_free(p);
    states_free(store);
    graph_free(g);
    CHECK(t, context_live_allocations(cx) == 0, "%lld left",
          (long long)context_live_allocations(cx));
    context_free(cx);
}

static void wrong_graphs(test *t) {
    context *cx = context_new();
    graph *g = graph_new(cx);
    type f = type_fixed(num_find("f32"), 1, (int64_t[]){4});
    graph_input(g, "x", f);
    f.dim[0] = extent_of(5);
    CHECK(t, value_absent(graph_input(g, "x", f)), "two types");
    CHECK(t, strstr(context_error(cx), "'x' is already there as input f32[4]"), "%s",
          context_error(cx));
    CHECK(t, value_absent(build_fill(g, NO_VALUE, 1)) && graph_status(g) == STATUS_BAD_ARGUMENT,
          "sticks");
    graph_free(g);
    g = graph_new(cx);
    CHECK(t, value_absent(build_fill(g, NO_VALUE, 1)), "no operand");
    CHECK(t, strstr(context_error(cx), "fill: operand 0 is missing"), "%s", context_error(cx));
    graph_free(g);
    context_free(cx);
}

/* What leads to no mark and no state does not run. */
static void unread(test *t) {
    context *cx = context_new();
    graph *g = graph_new(cx);
    value x = graph_input(g, "x", type_fixed(num_find("f32"), 1, (int64_t[]){4}));
    (void)build_square(g, build_tanh(g, x));
    graph_mark(g, MARK_OUTPUT, "y", build_exp(g, x), NO_VALUE);
    states *store = states_new(cx);
    plan *p;
    CHECK_OK(t, cx, plan_new(cx, g, store, NULL, &(plan_options){.poison = true}, &p));
    CHECK(t, p->n_steps == 1 && !strcmp(p->steps[0].node->op->name, "exp"), "%d steps", p->n_steps);
    plan_free(p);
    states_free(store);
    graph_free(g);
    context_free(cx);
}

/* A chain of `n` ops over one symbolic extent. */
static graph *make_chain(context *cx, int32_t n) {
    graph *g = graph_new(cx);
    int32_t tokens = graph_symbol(g, "tokens", 8);
    value x = graph_input(
        g, "x", type_of(num_find("f32"), 2, (extent[]){extent_symbol(tokens), extent_of(8)}));
    value first = x;
    for (int32_t i = 0; i < n; i++) x = i % 3 ? build_tanh(g, x) : build_add(g, x, first);
    graph_mark(g, MARK_OUTPUT, "y", x, NO_VALUE);
    return g;
}

/* Planning, binding and running a thousand nodes: bounded time, little memory, and no allocation in a step. */
static void thousand_nodes(test *t) {
    context *cx = context_new();
    graph *g = make_chain(cx, 1000);
    CHECK_OK(t, cx, graph_status(g));
    states *store = states_new(cx);
    plan *p;
    double start = time_seconds();
    CHECK_OK(t, cx, plan_new(cx, g, store, NULL, &(plan_options){.isa_limit = ISA_AMX}, &p));
    double planned = time_seconds() - start;
    CHECK_OK(t, cx, plan_load(p));
    int64_t before = context_allocations(cx);
    double best = 1;
    for (int64_t i = 0; i < 200; i++) {
        start = time_seconds();
        CHECK_OK(t, cx, plan_bind(p, (int64_t[]){0, 1 + i % 8}));
        double bound = time_seconds() - start;
        best = MIN_OF(best, bound);
        if (i % 50 == 0) plan_run(p, (uint64_t)i);
    }
    CHECK(t, context_allocations(cx) == before, "%lld allocations in steps",
          (long long)(context_allocations(cx) - before));
    CHECK(t, p->planned_bytes <= p->live_bytes + p->live_bytes / 10, "%lld placed for %lld live",
          (long long)p->planned_bytes, (long long)p->live_bytes);
    CHECK(t, p->live_bytes <= 4 * 256, "%lld bytes live in a chain", (long long)p->live_bytes);
    printf("  planned in %.2f ms, bound in %.2f us\n", 1e3 * planned, 1e6 * best);
    plan_free(p);
    states_free(store);
    graph_free(g);
    context_free(cx);
}

/* The trace of a run is JSON with one event a node. */
static void traced(test *t) {
    context *cx = context_new();
    graph *g = make_chain(cx, 20);
    states *store = states_new(cx);
    plan *p;
    char path[512];
    snprintf(path, sizeof path, "%s/trace.json", test_folder(t));
    CHECK_OK(t, cx, plan_new(cx, g, store, NULL, &(plan_options){.isa_limit = ISA_AMX}, &p));
    CHECK_OK(t, cx, plan_bind(p, (int64_t[]){0, 3}));
    CHECK_OK(t, cx, plan_load(p));
    p->trace = true;
    plan_run(p, 0);
    FILE *to = fopen(path, "w+");
    CHECK(t, to, "%s", path);
    CHECK_OK(t, cx, trace_write(p, to));
    char text[8192] = "";
    rewind(to);
    size_t length = fread(text, 1, sizeof text - 1, to);
    fclose(to);
    int events = 0;
    for (const char *at = text; (at = strstr(at, "\"ph\":\"X\"")); at++) events++;
    CHECK(t, events == 20, "%d events in %zu bytes", events, length);
    json j = json_make(cx, "trace", text, (int64_t)length, NULL);
    CHECK_OK(t, cx, json_skip(&j));
    CHECK_OK(t, cx, json_finish(&j));
    json_free(&j);
    plan_free(p);
    states_free(store);
    graph_free(g);
    context_free(cx);
}

const test_case suite_exec[] = {{"traced", traced},
                                {"thousand_nodes", thousand_nodes},
                                {"placement", placement},
                                {"unread", unread},
                                {"bound_per_step", bound_per_step},
                                {"wrong_graphs", wrong_graphs},
                                {0}};
