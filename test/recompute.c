/* Recomputing: gradients keep their bits, what waits for the backward phase is what the formulas of
 * rewrite/recompute.c say, the plan's memory falls with it, and the work stays below its bound. */
#include "rewrite/recompute.h"
#include "kit/trial.h"
#include "ops/dropout.h"
#include "rewrite/autodiff.h"
#include "rewrite/precision.h"
#include "test.h"
#include <math.h>
#include <stdio.h>

extern const rewrite_def rewrite_fuse;

enum { BLOCKS = 4, KINDS = 4, TOKENS = 512, WIDTH = 256, VOCABULARY = 512 };
static const char *const kinds[KINDS] = {RECOMPUTE_NAMES};

static void build_deep(graph *g) {
    example_transformer(g, BLOCKS, 0.1);
}
static const example_graph deep = {"deep", "four blocks with dropout", build_deep};

static status open_deep(context *cx, recompute_kind kind, bool narrow, int threads, trial *t) {
    recompute_options again = {.kind = kind};
    trial_setup setup = {.example = &deep, .threads = threads};
    if (narrow) setup.steps[setup.n_steps++] = (trial_step){&rewrite_precision, NULL};
    setup.steps[setup.n_steps++] = (trial_step){&rewrite_autodiff, NULL};
    setup.steps[setup.n_steps++] = (trial_step){&rewrite_fuse, NULL};
    setup.steps[setup.n_steps++] = (trial_step){&rewrite_recompute, &again};
    TRY(trial_open(cx, &setup, t));
    return trial_fill(t, 4);
}

/* Makes the first dropout that is computed again draw other numbers than the first time. */
static bool spoil(const trial *t) {
    for (int32_t i = 0; i < t->g->n_nodes; i++) {
        const node *n = t->g->nodes[i];
        if (n->op != &op_dropout || !n->pinned) continue;
        ((dropout_params *)n->params)->stream += 100;
        return true;
    }
    return false;
}

static void equal_bits(test *t) {
    for (int narrow = 0; narrow < 2; narrow++) {
        context *cx = context_new();
        trial kept, again;
        CHECK_OK(t, cx, open_deep(cx, RECOMPUTE_NONE, narrow, 2, &kept));
        double loss = trial_run(&kept, 3);
        for (int kind = 1; kind < KINDS; kind++) {
            if (!narrow && kind != RECOMPUTE_BLOCK) continue;
            CHECK_OK(t, cx, open_deep(cx, (recompute_kind)kind, narrow, 1 + kind % 2, &again));
            CHECK(t, trial_run(&again, 3) == loss, "%s: another loss", kinds[kind]);
            CHECK(t, trial_distance(&again, &kept) == 0, "%s: gradients are off by %g", kinds[kind],
                  trial_distance(&again, &kept));
            (void)trial_run(&again, 4);
            CHECK(t, trial_distance(&again, &kept) > 1e-3, "%s: another seed gives the same",
                  kinds[kind]);
            CHECK(t, spoil(&again), "%s: no dropout is computed again", kinds[kind]);
            (void)trial_run(&again, 3);
            CHECK(t, trial_distance(&again, &kept) > 1e-3, "%s: other numbers went unnoticed",
                  kinds[kind]);
            trial_close(&again);
        }
        trial_close(&kept);
        CHECK(t, context_live_allocations(cx) == 0, "%lld left",
              (long long)context_live_allocations(cx));
        context_free(cx);
    }
}

static double flops_of(const plan *p) {
    double sum = 0;
    for (int32_t k = 0; k < p->n_steps; k++) {
        cost work = {0};
        p->steps[k].node->op->cost(&p->steps[k].c, &work);
        sum += work.flops;
    }
    return sum;
}

/* In f32: inputs of blocks are TOKENS x WIDTH, and so is what the head's norm reads and gives. */
static void kept_bytes(test *t) {
    const int64_t input = 4 * TOKENS * WIDTH;
    const int64_t top = 2 * input + 4 * (int64_t)TOKENS * VOCABULARY + 4 * TOKENS;
    const int64_t inputs[KINDS] = {0, 0, BLOCKS, 2}; /* sqrt: two segments of two */
    static const double most_work[KINDS] = {1, 1.1, 1.36, 1.67};
    int64_t placed[KINDS], kept[KINDS];
    double work[KINDS];
    for (int kind = 0; kind < KINDS; kind++) {
        context *cx = context_new();
        trial x;
        recompute_bytes bytes;
        CHECK_OK(t, cx, open_deep(cx, (recompute_kind)kind, false, 1, &x));
        CHECK_OK(t, cx, recompute_count(x.g, &bytes));
        placed[kind] = x.p->peak_bytes[TAG_ACTIVATION];
        work[kind] = flops_of(x.p);
        kept[kind] = bytes.kept;
        printf("  %s: %lld kept, %lld again, %lld planned, %.3f of the work\n", kinds[kind],
               (long long)bytes.kept, (long long)bytes.again, (long long)placed[kind],
               work[kind] / work[0]);
        CHECK(t, !inputs[kind] || bytes.kept == inputs[kind] * input + top, "%s: %lld, not %lld",
              kinds[kind], (long long)bytes.kept, (long long)(inputs[kind] * input + top));
        CHECK(t, (double)placed[kind] <= 1.05 * (double)(bytes.kept + bytes.again + 2 * input),
              "%s: %lld planned", kinds[kind], (long long)placed[kind]);
        CHECK(t, work[kind] <= most_work[kind] * work[0], "%s: %g of the work", kinds[kind],
              work[kind] / work[0]);
        CHECK(t, !kind || (kept[kind] < kept[kind - 1] && placed[kind] <= placed[kind - 1]),
              "%s keeps no less than %s", kinds[kind], kinds[MAX_OF(kind, 1) - 1]);
        trial_close(&x);
        context_free(cx);
    }
    CHECK(t, placed[RECOMPUTE_BLOCK] < placed[RECOMPUTE_NONE] / 2, "%lld of %lld planned",
          (long long)placed[RECOMPUTE_BLOCK], (long long)placed[RECOMPUTE_NONE]);
}

static void refused(test *t) {
    context *cx = context_new();
    graph *g = graph_new(cx), *d, *r, *never;
    example_graphs[0].build(g);
    uint32_t facts = 0, before = 0;
    CHECK_FAILS(t, cx, rewrite_run(&rewrite_recompute, g, NULL, &facts, &never),
                STATUS_BAD_ARGUMENT, "must come after");
    CHECK_OK(t, cx, rewrite_run(&rewrite_autodiff, g, NULL, &facts, &d));
    CHECK_FAILS(t, cx, rewrite_run(&rewrite_recompute, d, NULL, &facts, &never),
                STATUS_BAD_ARGUMENT, "the graph names no blocks");
    before = facts;
    CHECK_OK(t, cx,
             rewrite_run(&rewrite_recompute, d, &(recompute_options){RECOMPUTE_NONE}, &before, &r));
    CHECK(t, r->n_nodes == d->n_nodes, "%d nodes became %d", d->n_nodes, r->n_nodes);
    CHECK_FAILS(t, cx, rewrite_run(&rewrite_fuse, r, NULL, &before, &never), STATUS_BAD_ARGUMENT,
                "must come before");
    graph_free(r);
    graph_free(d);
    graph_free(g);
    CHECK(t, context_live_allocations(cx) == 0, "%lld left",
          (long long)context_live_allocations(cx));
    context_free(cx);
}

const test_case suite_recompute[] = {
    {"equal_bits", equal_bits}, {"kept_bytes", kept_bytes}, {"refused", refused}, {0}};
