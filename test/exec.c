/* Plans: memory that never overlaps while alive, extents bound per step, errors that say what is
 * wrong. */
#include "exec/place.h"
#include "exec/plan.h"
#include "ops/fill.h"
#include "test.h"

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

const test_case suite_exec[] = {{"placement", placement},
                                {"bound_per_step", bound_per_step},
                                {"wrong_graphs", wrong_graphs},
                                {0}};
