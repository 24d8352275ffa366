/* The example graphs as wholes: rewritten, planned and run. Gradients are bit-equal over thread counts and near the
 * reference; fusing changes nothing beyond rounding; memory is near the largest live set. */
#include "kit/trial.h"
#include "rewrite/autodiff.h"
#include "test.h"
#include <stdio.h>

extern const rewrite_def rewrite_fuse;

static status prepare(context *cx, const example_graph *example, bool fuse, int threads,
                      bool reference, trial *t) {
    trial_setup setup = {.example = example,
                         .steps = {{&rewrite_autodiff}, {&rewrite_fuse}},
                         .n_steps = 1 + fuse,
                         .threads = threads,
                         .reference_only = reference};
    return trial_open(cx, &setup, t);
}

static status run_once(trial *t, uint64_t seed) {
    TRY(trial_fill(t, seed));
    (void)trial_run(t, 1);
    return STATUS_OK;
}

static void threads(test *t) {
    static const int counts[] = {2, 3, 7};
    for (const example_graph *e = example_graphs; e->name; e++) {
        context *cx = context_new();
        trial one, other;
        CHECK_OK(t, cx, prepare(cx, e, true, 1, false, &one));
        CHECK_OK(t, cx, run_once(&one, 11));
        for (int32_t i = 0; i < COUNT_OF(counts); i++) {
            CHECK_OK(t, cx, prepare(cx, e, true, counts[i], false, &other));
            CHECK_OK(t, cx, run_once(&other, 11));
            CHECK(t, trial_distance(&other, &one) == 0, "%s with %d threads: %g", e->name,
                  counts[i], trial_distance(&other, &one));
            if (!i) CHECK_OK(t, cx, run_once(&other, 12));
            CHECK(t, i || trial_distance(&other, &one) > 1e-3, "%s: other parameters give the same",
                  e->name);
            trial_close(&other);
        }
        trial_close(&one);
        CHECK(t, context_live_allocations(cx) == 0, "%lld left",
              (long long)context_live_allocations(cx));
        context_free(cx);
    }
}

static void near_reference(test *t) {
    for (const example_graph *e = example_graphs; e->name; e++) {
        context *cx = context_new();
        trial fast, fused, plain;
        CHECK_OK(t, cx, prepare(cx, e, true, 2, false, &fast));
        CHECK_OK(t, cx, prepare(cx, e, true, 1, true, &fused));
        CHECK_OK(t, cx, prepare(cx, e, false, 1, true, &plain));
        CHECK_OK(t, cx, run_once(&fast, 5));
        CHECK_OK(t, cx, run_once(&fused, 5));
        CHECK_OK(t, cx, run_once(&plain, 5));
        CHECK(t, trial_distance(&fused, &plain) < 1e-6, "%s: fusing moved gradients by %g", e->name,
              trial_distance(&fused, &plain));
        CHECK(t, trial_distance(&fast, &plain) < 1e-5, "%s: kernels moved gradients by %g", e->name,
              trial_distance(&fast, &plain));
        trial_close(&fast);
        trial_close(&fused);
        trial_close(&plain);
        context_free(cx);
    }
}

static void memory(test *t) {
    for (const example_graph *e = example_graphs; e->name; e++) {
        context *cx = context_new();
        trial r;
        CHECK_OK(t, cx, prepare(cx, e, true, 2, false, &r));
        printf("  %s: %lld placed for %lld live\n", e->name, (long long)r.p->planned_bytes,
               (long long)r.p->live_bytes);
        CHECK(t, r.p->planned_bytes <= 1.10 * (double)r.p->live_bytes, "%s", e->name);
        trial_close(&r);
        context_free(cx);
    }
}

const test_case suite_examples[] = {
    {"threads", threads}, {"near_reference", near_reference}, {"memory", memory}, {0}};
