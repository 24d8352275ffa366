/* Scaling laws: known optima, and fits to points of a known surface. */
#include "base/rng.h"
#include "plan/machine.h"
#include "plan/scaling.h"
#include "test.h"
#include <math.h>

static double near(double x, double y) {
    return fabs(x - y) / fabs(y);
}

static void optima(test *t) {
    const scaling_law *law = scaling_find("chinchilla");
    scaling_choice best = scaling_best(law, 5.76e23);
    CHECK(t, near(6 * best.parameters * best.tokens, 5.76e23) < 1e-9);
    for (int s = -1; s <= 1; s += 2) { /* the loss is least there along the budget */
        double n = best.parameters * (1 + 0.05 * s);
        CHECK(t, scaling_loss(law, n, 5.76e23 / 6 / n) > best.loss);
    }
    /* table A3 of the paper: 5.76e23 operations, about 40 billion parameters by approach 3 */
    CHECK(t, best.parameters > 25e9 && best.parameters < 45e9, "%g", best.parameters);
    scaling_choice k = scaling_kaplan(1e15 * 86400);
    CHECK(t, k.parameters == 1.3e9 && k.tokens == 2e10);
}

static int64_t draw(scaling_point *p, int64_t n, const scaling_law *law, double noise,
                    uint64_t seed) {
    rng r = rng_make(seed, 1);
    for (int64_t i = 0; i < n; i++) {
        p[i].parameters = exp(log(1e6) + rng_uniform(&r) * log(1e3));
        p[i].tokens = exp(log(1e8) + rng_uniform(&r) * log(1e3));
        p[i].loss = scaling_loss(law, p[i].parameters, p[i].tokens) * (1 + noise * rng_normal(&r));
    }
    return n;
}

static void fits(test *t) {
    context *cx = context_new();
    arena a = arena_make(cx);
    scaling_point p[200];
    scaling_fit f;
    const scaling_law law = {"known", "", 1.7, 400, 410, 0.34, 0.28};
    for (uint64_t seed = 1; seed <= 3; seed++) {
        CHECK_OK(t, cx, scaling_fit_points(&a, p, draw(p, 200, &law, 0.005, seed), 200, seed, &f));
        CHECK(t, fabs(f.law.alpha - 0.34) < 0.02 && fabs(f.law.beta - 0.28) < 0.02, "%g, %g",
              f.law.alpha, f.law.beta);
        CHECK(t, f.low[SCALING_ALPHA] < 0.34 && f.high[SCALING_ALPHA] > 0.34, "%g .. %g",
              f.low[SCALING_ALPHA], f.high[SCALING_ALPHA]);
        CHECK(t, f.low[SCALING_BETA] < 0.28 && f.high[SCALING_BETA] > 0.28, "%g .. %g",
              f.low[SCALING_BETA], f.high[SCALING_BETA]);
        CHECK(t, !f.doubt, "%s", f.doubt);
        CHECK(t, f.error > 0.003 && f.error < 0.007, "%g", f.error);
    }
    arena_free(&a);
    context_free(cx);
}

static void doubts(test *t) {
    context *cx = context_new();
    arena a = arena_make(cx);
    scaling_point p[200];
    scaling_fit f;
    const scaling_law law = {"known", "", 1.7, 400, 410, 0.34, 0.28};
    draw(p, 50, &law, 0.005, 1);
    for (int i = 0; i < 50; i++) p[i].parameters = 1e6 * (1 + 0.01 * i);
    CHECK_OK(t, cx, scaling_fit_points(&a, p, 50, 20, 1, &f));
    CHECK(t, f.doubt && strstr(f.doubt, "alpha is a guess"), "%s", f.doubt ? f.doubt : "no doubt");
    draw(p, 50, &law, 0.005, 1);
    for (int i = 0; i < 50; i++) p[i].tokens = 20 * p[i].parameters;
    CHECK_OK(t, cx, scaling_fit_points(&a, p, 50, 20, 1, &f));
    CHECK(t, f.doubt && strstr(f.doubt, "told apart"), "%s", f.doubt ? f.doubt : "no doubt");
    CHECK_OK(t, cx, scaling_fit_points(&a, p, draw(p, 8, &law, 0.3, 1), 50, 1, &f));
    CHECK(t, f.doubt, "alpha %g, beta %g were believed", f.law.alpha, f.law.beta);
    CHECK_FAILS(t, cx, scaling_fit_points(&a, p, 5, 10, 1, &f), STATUS_BAD_ARGUMENT,
                "at least 6 runs");
    p[3].loss = -1;
    CHECK_FAILS(t, cx, scaling_fit_points(&a, p, 8, 10, 1, &f), STATUS_BAD_DATA, "run 4");
    arena_free(&a);
    context_free(cx);
}

static void machines(test *t) {
    context *cx = context_new();
    arena a = arena_make(cx);
    machine m;
    CHECK_OK(t, cx, machine_find(&a, "h200", &m));
    CHECK(t, m.bf16 == 989e12 && machine_rate(&m, MACHINE_INT8) == 1979e12);
    CHECK_FAILS(t, cx, machine_find(&a, "h20", &m), STATUS_BAD_ARGUMENT, "did you mean 'h200'");
    arena_free(&a);
    context_free(cx);
}

const test_case suite_scaling[] = {
    {"optima", optima}, {"fits", fits}, {"doubts", doubts}, {"machines", machines}, {0}};
