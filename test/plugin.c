/* Kernels out of a shared library: used before the build's own, refused with their reasons, errors in words. */
#include "dev/plugin.h"
#include "exec/plan.h"
#include "ops/unary.h"
#include "test.h"
#include <stdio.h>

static status run_neg(context *cx, const char *format, const plugin_table *const *plugins,
                      double *y, bool *refused) {
    graph *g = graph_new(cx);
    value x = graph_input(g, "x", type_fixed(num_find(format), 1, (int64_t[]){1}));
    graph_mark(g, MARK_OUTPUT, "y", build_neg(g, x), NO_VALUE);
    states *store = states_new(cx);
    plan *p = NULL;
    TRY(plan_new(cx, g, store, NULL, &(plan_options){.isa_limit = ISA_AMX, .plugins = plugins},
                 &p));
    tensor_set(plan_tensor(p, x), (double[]){2});
    TRY(plan_bind(p, (int64_t[]){0}));
    TRY(plan_load(p));
    plan_run(p, 0);
    tensor_get(plan_tensor(p, plan_find_output(p, "y")), y);
    const refusal *first = p->steps[0].chosen.refused;
    *refused = first && !strcmp(first->kernel->name, "test.neg") && !strcmp(first->why, "not f32");
    plan_free(p);
    states_free(store);
    graph_free(g);
    return STATUS_OK;
}

static void kernels(test *t) {
    context *cx = context_new();
    plugin *p;
    double y;
    bool refused;
    CHECK_OK(t, cx, plugin_open(cx, TEST_PLUGIN, &p));
    const plugin_table *tables[] = {plugin_get(p), NULL};
    CHECK_OK(t, cx, run_neg(cx, "f32", tables, &y, &refused));
    CHECK(t, y == -3 && !refused, "%g", y);
    CHECK_OK(t, cx, run_neg(cx, "f64", tables, &y, &refused));
    CHECK(t, y == -2 && refused, "%g", y);
    CHECK_OK(t, cx, run_neg(cx, "f32", NULL, &y, &refused));
    CHECK(t, y == -2, "%g", y);
    plugin_close(p);
    CHECK(t, context_live_allocations(cx) == 0, "%lld left",
          (long long)context_live_allocations(cx));
    context_free(cx);
}

static void no_plugin(test *t) {
    context *cx = context_new();
    plugin *p;
    CHECK_FAILS(t, cx, plugin_open(cx, "/nowhere/x.so", &p), STATUS_IO,
                "plugin '/nowhere/x.so' cannot be loaded");
    CHECK_FAILS(t, cx, plugin_open(cx, "libm.so.6", &p), STATUS_BAD_DATA, "it lacks hone_plugin");
    context_free(cx);
}

const test_case suite_plugin[] = {{"kernels", kernels}, {"no_plugin", no_plugin}, {0}};
