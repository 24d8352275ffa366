/* The public engine: a graph from text, its gradient, an update, and errors in words. */
#include "hone/hone.h"
#include "test.h"
#include <math.h>

/* loss = mean((a * x - y)^2) over `n` rows. */
static void build_line(hone_graph *g) {
    int64_t n = hone_symbol(g, "n", 16);
    hone_value x = hone_input(g, "x", "f32", 1, &n), y = hone_input(g, "y", "f32", 1, &n);
    hone_value a = hone_parameter(g, "a", "f32", 1, (int64_t[]){1});
    hone_value off = hone_apply(
        g, "sub", "", 2, (hone_value[]){hone_apply(g, "mul", "", 2, (hone_value[]){x, a}), y});
    hone_value square = hone_apply(g, "square", "", 1, &off);
    hone_loss(g, hone_apply(g, "mean", "axes=1, keep=yes", 1, &square));
}

static void gradient(test *t) {
    hone_context *h = hone_new();
    hone_graph *g = hone_graph_new(h);
    build_line(g);
    CHECK(t, hone_differentiate(g) == 0, "%s", hone_error(h));
    hone_plan *p = hone_plan_new(g, &(hone_plan_options){.threads = 2});
    CHECK(t, p, "%s", hone_error(h));
    for (int n = 1; n <= 16; n++) {
        float x[16], y[16], a = 0.5f, loss, slope, expected = 0;
        for (int i = 0; i < n; i++)
            x[i] = (float)(i + 1), y[i] = 2 * x[i],
            expected += 2 * (a * x[i] - y[i]) * x[i] / (float)n;
        CHECK(t,
              !hone_bind(p, "n", n) && !hone_set(p, "x", x, n) && !hone_set(p, "y", y, n) &&
                  !hone_set(p, "a", &a, 1),
              "%s", hone_error(h));
        CHECK(t,
              !hone_run(p) && !hone_get(p, "loss", &loss, 1) && !hone_get(p, "grad.a", &slope, 1),
              "%s", hone_error(h));
        CHECK(t, fabsf(slope - expected) <= 1e-5f * fabsf(expected), "n %d: %g, expected %g", n,
              (double)slope, (double)expected);
    }
    hone_plan_free(p);
    hone_graph_free(g);
    hone_free(h);
}

static void errors(test *t) {
    hone_context *h = hone_new();
    hone_graph *g = hone_graph_new(h);
    hone_value x = hone_input(g, "x", "f32", 2, (int64_t[]){3, 4});
    (void)hone_apply(g, "nonsense", "", 1, &x);
    CHECK(t, hone_check(g) && strstr(hone_error(h), "there is no op 'nonsense'"), "%s",
          hone_error(h));
    CHECK(t, hone_apply(g, "neg", "", 1, &x).node < 0 && !hone_plan_new(g, NULL), "errors stick");
    hone_graph_free(g);
    g = hone_graph_new(h);
    CHECK(t,
          hone_input(g, "x", "f33", 1, (int64_t[]){3}).node < 0 &&
              strstr(hone_error(h), "there is no format 'f33'"),
          "%s", hone_error(h));
    hone_graph_free(g);
    g = hone_graph_new(h);
    x = hone_input(g, "x", "f32", 1, (int64_t[]){3});
    hone_output(g, "y", hone_apply(g, "neg", "", 1, &x));
    CHECK(t, hone_differentiate(g) && strstr(hone_error(h), "marks no loss"), "%s", hone_error(h));
    hone_graph_free(g);
    g = hone_graph_new(h);
    x = hone_input(g, "x", "f32", 1, (int64_t[]){3});
    hone_output(g, "y", hone_apply(g, "neg", "", 1, &x));
    hone_plan *p = hone_plan_new(g, NULL);
    float numbers[4] = {0};
    CHECK(t,
          p && hone_set(p, "x", numbers, 4) && strstr(hone_error(h), "'x' has 3 elements, not 4"),
          "%s", hone_error(h));
    CHECK(t, hone_get(p, "z", numbers, 3) && strstr(hone_error(h), "'z'"), "%s", hone_error(h));
    CHECK(t, hone_bind(p, "n", 3) && strstr(hone_error(h), "there is no symbol 'n'"), "%s",
          hone_error(h));
    hone_plan_free(p);
    CHECK(t,
          !hone_plan_new(g, &(hone_plan_options){.isa = "mmx"}) && strstr(hone_error(h), "'mmx'"),
          "%s", hone_error(h));
    hone_graph_free(g);
    hone_free(h);
}

const test_case suite_api[] = {{"gradient", gradient}, {"errors", errors}, {0}};
