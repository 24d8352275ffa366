/* Mixed precision on the example graphs: gradients and training stay near those of f32, masters and gradients are f32,
 * weights are narrowed and packed once a step, products read nothing wide. */
#include "kit/trial.h"
#include "ops/binary.h"
#include "ops/gather.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/optimiser.h"
#include "rewrite/autodiff.h"
#include "rewrite/precision.h"
#include "test.h"
#include <math.h>
#include <stdio.h>

extern const rewrite_def rewrite_fuse;

enum { STEPS = 30 };

/* `format` NULL: f32 throughout. */
static status open_training(context *cx, const example_graph *e, const char *format, int threads,
                            bool reference, trial *t) {
    precision_options narrow = {.format = format ? num_find(format) : NULL};
    trial_setup setup = {.example = e, .threads = threads, .reference_only = reference};
    if (format) setup.steps[setup.n_steps++] = (trial_step){&rewrite_precision, &narrow};
    setup.steps[setup.n_steps++] = (trial_step){&rewrite_autodiff, NULL};
    setup.steps[setup.n_steps++] = (trial_step){NULL, NULL};
    setup.steps[setup.n_steps++] = (trial_step){&rewrite_fuse, NULL};
    TRY(trial_open(cx, &setup, t));
    TRY(trial_fill(t, 21));
    *(float *)plan_tensor(t->p, plan_find_input(t->p, "lr"))->data = 0.003f;
    return STATUS_OK;
}

static double train_step(trial *t, int32_t step) {
    *(int32_t *)plan_tensor(t->p, plan_find_input(t->p, "step"))->data = step + 1;
    return trial_run(t, (uint64_t)step);
}

static void near_f32(test *t) {
    static const char *const formats[] = {"bf16", "f16"};
    for (const example_graph *e = example_graphs; e->name; e++)
        for (int i = 0; i < 2; i++) {
            context *cx = context_new();
            trial wide, plain, fast;
            CHECK_OK(t, cx, open_training(cx, e, NULL, 1, true, &wide));
            CHECK_OK(t, cx, open_training(cx, e, formats[i], 1, true, &plain));
            CHECK_OK(t, cx, open_training(cx, e, formats[i], 2, false, &fast));
            double loss = train_step(&wide, 0), near = train_step(&plain, 0);
            (void)train_step(&fast, 0);
            double off = trial_distance(&plain, &wide), kernels = trial_distance(&fast, &plain);
            printf("  %s in %s: loss %g, not %g; gradients off by %g, kernels by %g\n", e->name,
                   formats[i], near, loss, off, kernels);
            CHECK(t, off < rewrite_precision.tolerance, "%s: off by %g", e->name, off);
            CHECK(t, off > 1e-4, "%s: nothing is narrow, off by %g", e->name, off);
            CHECK(t, kernels < rewrite_precision.tolerance, "%s: kernels are off by %g", e->name,
                  kernels);
            CHECK(t, fabs(near - loss) < 2e-3 * loss, "%s: loss %g, not %g", e->name, near, loss);
            trial_close(&wide);
            trial_close(&plain);
            trial_close(&fast);
            CHECK(t, context_live_allocations(cx) == 0, "%lld left",
                  (long long)context_live_allocations(cx));
            context_free(cx);
        }
}

/* How far x lies outside of what the f32 run gave in this step, the one before and the one after. */
static double off_by_a_step(const double *f32, double x) {
    double low = fmin(f32[-1], fmin(f32[0], f32[1])), high = fmax(f32[-1], fmax(f32[0], f32[1]));
    return fmax(fmax(low - x, x - high), 0);
}

static double mean_off(const double *f32, const double *x) {
    double sum = 0;
    for (int32_t k = 1; k + 1 < STEPS; k++) sum += off_by_a_step(&f32[k], x[k]);
    return sum / (STEPS - 2);
}

static void trains_alike(test *t) {
    for (const example_graph *e = example_graphs; e->name; e++) {
        context *cx = context_new();
        trial wide, one, two, stale;
        CHECK_OK(t, cx, open_training(cx, e, NULL, 2, false, &wide));
        CHECK_OK(t, cx, open_training(cx, e, "bf16", 1, false, &one));
        CHECK_OK(t, cx, open_training(cx, e, "bf16", 2, false, &two));
        CHECK_OK(t, cx, open_training(cx, e, "bf16", 2, false, &stale));
        for (int32_t i = 0; i < stale.p->n_packs; i++) stale.p->packs[i].renewed = false;
        double loss[STEPS], narrow[STEPS], behind[STEPS];
        for (int32_t step = 0; step < STEPS; step++) {
            loss[step] = train_step(&wide, step);
            narrow[step] = train_step(&one, step);
            (void)train_step(&two, step);
            behind[step] = train_step(&stale, step);
        }
        double first = loss[0], last = narrow[STEPS - 1];
        printf("  %s: loss %g to %g in bf16, to %g in f32, to %g with stale weights\n", e->name,
               first, last, loss[STEPS - 1], behind[STEPS - 1]);
        CHECK(t, last < 0.2 * first, "%s does not learn: %g to %g", e->name, first, last);
        /* a single step's loss is chance: any other rounding moves it */
        double off = mean_off(loss, narrow), control = mean_off(loss, behind);
        CHECK(t, off < 1e-3 * first, "%s: off by %g a step", e->name, off);
        CHECK(t, control > 1e-2 * first, "%s: stale weights are off by %g only", e->name, control);
        CHECK(t, trial_distance(&one, &two) == 0, "%s: other bits with two threads", e->name);
        trial_close(&wide);
        trial_close(&one);
        trial_close(&two);
        trial_close(&stale);
        context_free(cx);
    }
}

static bool is_narrow(const graph *g, value v) {
    return value_type(g, v)->format->block_bytes == 2;
}

/* What the plan and the graph look like: nothing that would be slow or lose more than it must. */
static void laid_out(test *t) {
    context *cx = context_new();
    trial x;
    CHECK_OK(t, cx, open_training(cx, &example_graphs[1], "bf16", 2, false, &x));
    int64_t weights = 0;
    for (int32_t i = 0; i < x.g->n_nodes; i++) {
        const node *n = x.g->nodes[i];
        for (int32_t k = 0; k < n->n_in && n->op->precision == PRECISION_DOT; k++)
            CHECK(t, !(n->op->narrow_in >> k & 1) || is_narrow(x.g, n->in[k]),
                  "node %d (%s): operand %d is wide", i, n->op->name, k);
        if (n->op == &op_rms_norm) CHECK(t, is_narrow(x.g, (value){i, 0}), "norm %d is wide", i);
        if (n->op == &op_matmul && !value_absent(n->in[MATMUL_RESIDUAL]) &&
            n->phase == PHASE_FORWARD)
            CHECK(t, !is_narrow(x.g, (value){i, 0}), "the residual stream is narrow at %d", i);
        if (!n->op->converts) continue;
        bool constant = value_node(x.g, n->in[0])->op == &op_state;
        CHECK(t, constant == (n->phase == PHASE_LOAD), "cast %d of phase %d", i, n->phase);
        if (constant) weights += type_bound_elems(x.g, &n->out[0]);
    }
    for (int32_t i = 0; i < x.g->n_marks; i++)
        if (x.g->marks[i].kind == MARK_GRADIENT)
            CHECK(t, !is_narrow(x.g, x.g->marks[i].at), "the gradient of %s is narrow",
                  x.g->marks[i].name);
    for (int32_t k = 0; k < x.p->n_steps; k++)
        CHECK(t,
              x.p->steps[k].skipped || x.p->steps[k].chosen.kernel || cpu_isa_best() == ISA_SCALAR,
              "%s runs by its reference", x.p->steps[k].node->op->name);
    if (cpu_isa_best() >= ISA_AVX512) {
        CHECK(t, x.p->packed_bytes >= 4 * weights && x.p->packed_bytes <= 4.3 * (double)weights,
              "%lld bytes are packed for %lld weights", (long long)x.p->packed_bytes,
              (long long)weights);
        for (int32_t k = 0; k < x.p->n_load; k++)
            CHECK(t, x.p->steps[k].skipped, "weights are also kept unpacked");
    }
    trial_close(&x);
    context_free(cx);
}

/* A graph as decoding builds it: weights in bf16, a cache that it writes, results marked. */
static void inference(test *t) {
    context *cx = context_new();
    graph *g = graph_new(cx), *to, *again;
    const num_format *bf16 = num_find("bf16"), *f32 = num_find("f32");
    int64_t square[] = {32, 32};
    value x =
        build_embedding(g, graph_state(g, "table", type_fixed(bf16, 2, square), TAG_PARAMETER),
                        graph_input(g, "ids", type_fixed(num_find("i32"), 1, square)), f32);
    value w = graph_state(g, "w", type_fixed(bf16, 2, square), TAG_PARAMETER);
    value cache = graph_state(g, "cache", type_fixed(f32, 2, square), TAG_KV);
    value h = build_matmul(g, build_rms_norm(g, x, NO_VALUE, 1e-5), w, false, true, NULL);
    value next = build_assign(g, cache, h);
    value y = build_add(g, x, build_matmul(g, h, next, false, false, NULL));
    value logits = build_matmul(g, build_rms_norm(g, y, NO_VALUE, 1e-5), w, false, true, NULL);
    graph_mark(g, MARK_NEXT, NULL, next, cache);
    graph_mark(g, MARK_OUTPUT, "logits", logits, NO_VALUE);
    uint32_t facts = 0;
    CHECK_OK(t, cx, rewrite_run(&rewrite_precision, g, NULL, &facts, &to));
    CHECK_OK(t, cx, rewrite_run(&rewrite_precision, to, NULL, &facts, &again));
    CHECK(t, again->n_nodes == to->n_nodes, "%d nodes, then %d", to->n_nodes, again->n_nodes);
    const mark *end = graph_find_mark(to, MARK_OUTPUT, NO_VALUE);
    CHECK(t, value_type(to, end->at)->format == f32, "logits in %s",
          value_type(to, end->at)->format->name);
    const node *last = value_node(to, end->at);
    CHECK(t,
          last->op == &op_matmul && is_narrow(to, last->in[MATMUL_A]) &&
              value_same(last->in[MATMUL_B], graph_find(to, "w")),
          "logits are not the product of narrow operands");
    const mark *kept = graph_find_mark(to, MARK_NEXT, NO_VALUE);
    CHECK(t, !is_narrow(to, kept->at), "the cache changed its format");
    graph *late;
    CHECK_OK(t, cx, rewrite_run(&rewrite_fuse, to, NULL, &facts, &late));
    graph *never;
    CHECK_FAILS(t, cx, rewrite_run(&rewrite_precision, late, NULL, &facts, &never),
                STATUS_BAD_ARGUMENT, "must come before");
    facts = 0;
    CHECK_FAILS(
        t, cx,
        rewrite_run(&rewrite_precision, g, &(precision_options){num_find("f64")}, &facts, &never),
        STATUS_BAD_ARGUMENT, "bf16 or f16, not in f64");
    graph_free(late);
    graph_free(again);
    graph_free(to);
    graph_free(g);
    CHECK(t, context_live_allocations(cx) == 0, "%lld left",
          (long long)context_live_allocations(cx));
    context_free(cx);
}

const test_case suite_precision[] = {{"near_f32", near_f32},
                                     {"trains_alike", trains_alike},
                                     {"laid_out", laid_out},
                                     {"inference", inference},
                                     {0}};
