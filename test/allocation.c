/* Memory that is short: every allocation on the way from nothing to a plan that could run is made to fail once. Each
 * time there is an error that says so, and nothing is left behind. */
#include "kit/trial.h"
#include "rewrite/autodiff.h"
#include "rewrite/precision.h"
#include "rewrite/recompute.h"
#include "test.h"

extern const rewrite_def rewrite_fuse;

/* Sets something up in the context and takes it down again. */
typedef status (*attempt)(context *cx, const void *what);

/* Adds how many allocations were made to fail. */
static void fail_each(test *t, const char *name, attempt try, const void *what, int64_t *failed) {
    int64_t n = 0;
    for (status st = STATUS_NO_MEMORY; st != STATUS_OK; n++) {
        context *cx = context_new();
        context_fail_allocation_after(cx, n);
        st = try(cx, what);
        CHECK(t, st == STATUS_OK || st == STATUS_NO_MEMORY, "%s, allocation %lld: %s: %s", name,
              (long long)n, status_name(st), context_error(cx));
        CHECK(t, st == STATUS_OK || *context_error(cx), "%s, allocation %lld: no words", name,
              (long long)n);
        CHECK(t, context_live_allocations(cx) == 0, "%s, allocation %lld: %lld left", name,
              (long long)n, (long long)context_live_allocations(cx));
        context_free(cx);
    }
    *failed += n - 1;
}

static status plan_sample(context *cx, sample *s) {
    states *store = states_new(cx);
    plan *p = NULL;
    pool *workers = NULL;
    status st = store ? pool_new(cx, 2, &workers) : STATUS_NO_MEMORY;
    if (st == STATUS_OK)
        st = plan_new(cx, s->g, store, workers, &(plan_options){.isa_limit = ISA_COUNT - 1}, &p);
    if (st == STATUS_OK) st = plan_load(p);
    plan_free(p);
    pool_free(workers);
    states_free(store);
    return st;
}

/* A sampled case of the op, its gradient and its expansion. */
static status set_up_op(context *cx, const void *what) {
    const op_def *op = what;
    sample s = {.g = graph_new(cx), .state = 7919};
    if (!s.g) return STATUS_NO_MEMORY;
    for (int32_t i = 0; i < MAX_SYMBOLS; i++) s.symbols[i] = 1;
    status st = op->sample(&s);
    value dx[MAX_IN], dy[MAX_OUT], out[MAX_OUT];
    for (int32_t o = 0; o < MAX_OUT && st == STATUS_OK; o++) {
        bool there =
            o < op->n_out && value_type(s.g, (value){s.y.node, o})->format->kind == NUM_FLOAT;
        dy[o] = there ? (value){s.y.node, o} : NO_VALUE;
    }
    if (st == STATUS_OK && op->gradient && !op->no_grad) {
        const node *n = value_node(s.g, s.y);
        uint32_t want = 0;
        for (int32_t i = 0; i < n->n_in; i++)
            if (!value_absent(n->in[i]) &&
                (op->n_in < 0 || !((op->index_in | op->no_grad_in) >> i & 1)))
                want |= 1u << i;
        op->gradient(s.g, s.y, dy, want, dx);
        st = graph_status(s.g);
    }
    if (st == STATUS_OK && op->expand) {
        op->expand(s.g, s.y, value_node(s.g, s.y)->in, out);
        st = graph_status(s.g);
    }
    if (st == STATUS_OK) st = plan_sample(cx, &s);
    graph_free(s.g);
    return st;
}

static void ops(test *t) {
    int64_t failed = 0;
    for (int32_t i = 0; registry_op[i]; i++)
        fail_each(t, registry_op[i]->name, set_up_op, registry_op[i], &failed);
    CHECK(t, failed > 1000, "only %lld allocations failed", (long long)failed);
}

static status set_up_training(context *cx, const void *what) {
    trial x;
    recompute_options again = {RECOMPUTE_SQRT};
    trial_setup setup = {.example = what,
                         .steps = {{&rewrite_precision, NULL},
                                   {&rewrite_autodiff, NULL},
                                   {NULL, NULL},
                                   {&rewrite_fuse, NULL},
                                   {&rewrite_recompute, &again}},
                         .n_steps = 5,
                         .threads = 2};
    status st = trial_open(cx, &setup, &x);
    if (st == STATUS_OK) st = plan_load(x.p);
    trial_close(&x);
    return st;
}

static void training(test *t) {
    int64_t failed = 0;
    fail_each(t, "training", set_up_training, &example_graphs[1], &failed);
    CHECK(t, failed > 100, "only %lld allocations failed", (long long)failed);
}

/* Forgets its first piece where the second is refused; *lost is that piece. */
static status lose(context *cx, void **lost) {
    void *second;
    *lost = context_alloc(cx, 8);
    second = *lost ? context_alloc(cx, 8) : NULL;
    if (!second) return STATUS_NO_MEMORY;
    context_release(cx, second);
    context_release(cx, *lost);
    return STATUS_OK;
}

/* What is left behind must be seen. */
static void control(test *t) {
    context *cx = context_new();
    void *lost;
    context_fail_allocation_after(cx, 1);
    CHECK(t, lose(cx, &lost) == STATUS_NO_MEMORY, "the second allocation did not fail");
    CHECK(t, context_live_allocations(cx) == 1, "what is left was not counted");
    context_release(cx, lost);
    context_free(cx);
}

const test_case suite_allocation[] = {
    {"ops", ops}, {"training", training, .slow = true}, {"control", control}, {0}};
