/* The example graphs as wholes: rewritten, planned and run. Gradients are bit-equal over thread counts and near the
 * reference; fusing changes nothing beyond rounding; memory is near the largest live set. */
#include "cmd/kit/graphs.h"
#include "exec/plan.h"
#include "graph/rewrite.h"
#include "rewrite/autodiff.h"
#include "test.h"
#include <math.h>
#include <stdio.h>

extern const rewrite_def rewrite_fuse;

/* One run of an example: everything it needs, to be freed together. */
typedef struct run {
    graph *g;
    states *store;
    pool *workers;
    plan *p;
} run;

static void run_free(run *r) {
    plan_free(r->p);
    states_free(r->store);
    pool_free(r->workers);
    graph_free(r->g);
}

static status build(context *cx, const example_graph *example, bool fuse, run *r) {
    uint32_t facts = 0;
    graph *built = graph_new(cx), *differentiated = NULL;
    if (!built) return STATUS_NO_MEMORY;
    example->build(built);
    status st = graph_verify(built);
    if (st == STATUS_OK) st = rewrite_run(&rewrite_autodiff, built, NULL, &facts, &differentiated);
    graph_free(built);
    r->g = differentiated;
    if (st != STATUS_OK || !fuse) return st;
    st = rewrite_run(&rewrite_fuse, differentiated, NULL, &facts, &r->g);
    graph_free(differentiated);
    return st;
}

/* Random parameters; ids below 10; sequences of unequal lengths. */
static void fill(run *r, uint64_t seed, int64_t tokens, int64_t sequences) {
    sample s = {.state = seed};
    for (int32_t i = 0; i < states_count(r->store); i++) {
        const tensor *w = &states_at(r->store, i)->t;
        bool is_gain = w->rank == 1;
        for (int64_t j = 0; j < tensor_elems(w); j++)
            ((float *)w->data)[j] =
                (float)(is_gain ? sample_real(&s, 0.5, 1.5) : sample_real(&s, -0.15, 0.15));
    }
    for (int32_t i = 0; i < r->g->n_nodes; i++) {
        const node *n = r->g->nodes[i];
        if (n->op != &op_input) continue;
        const tensor *t = plan_tensor(r->p, (value){i, 0});
        bool offsets = !strcmp(n->name, "offsets");
        for (int64_t j = 0; j < tensor_elems(t); j++) {
            if (t->format->kind != NUM_INDEX)
                ((float *)t->data)[j] = (float)sample_real(&s, -1, 1);
            else
                ((int32_t *)t->data)[j] =
                    (int32_t)(offsets ? tokens * j * j / (sequences * sequences)
                                      : sample_int(&s, 0, 9));
        }
    }
}

static status prepare(context *cx, const example_graph *example, bool fuse, int threads,
                      bool reference, run *r) {
    *r = (run){0};
    TRY(build(cx, example, fuse, r));
    r->store = states_new(cx);
    TRY(pool_new(cx, threads, &r->workers));
    plan_options options = {
        .isa_limit = ISA_COUNT - 1, .poison = true, .reference_only = reference};
    TRY(plan_new(cx, r->g, r->store, r->workers, &options, &r->p));
    return STATUS_OK;
}

static status run_once(run *r, uint64_t seed) {
    int64_t tokens = 37, sequences = 4, at[MAX_SYMBOLS] = {0};
    for (int32_t i = 1; i <= r->g->n_symbols; i++)
        at[i] = strcmp(r->g->symbols[i].name, "sequences") ? tokens : sequences;
    TRY(plan_bind(r->p, at));
    fill(r, seed, tokens, sequences);
    TRY(plan_load(r->p));
    plan_run(r->p, 1);
    return STATUS_OK;
}

/* |a - b| / |b| over all gradients, in the 2-norm; 0 exactly when every bit agrees. */
static double distance(const run *a, const run *b) {
    double off = 0, norm = 0;
    bool same = true;
    for (int32_t i = 0; i < a->g->n_marks; i++) {
        const mark *m = &a->g->marks[i];
        if (m->kind != MARK_GRADIENT) continue;
        const mark *n = graph_find_mark(b->g, MARK_GRADIENT, graph_find(b->g, m->name));
        const float *x = plan_tensor(a->p, m->at)->data, *y = plan_tensor(b->p, n->at)->data;
        int64_t count = tensor_elems(plan_tensor(a->p, m->at));
        same &= !memcmp(x, y, (size_t)count * sizeof *x);
        for (int64_t j = 0; j < count; j++) off += pow(x[j] - y[j], 2), norm += pow(y[j], 2);
    }
    return same ? 0 : sqrt(off / norm) + 1e-300;
}

static void threads(test *t) {
    static const int counts[] = {2, 3, 7};
    for (const example_graph *e = example_graphs; e->name; e++) {
        context *cx = context_new();
        run one, other;
        CHECK_OK(t, cx, prepare(cx, e, true, 1, false, &one));
        CHECK_OK(t, cx, run_once(&one, 11));
        for (int32_t i = 0; i < COUNT_OF(counts); i++) {
            CHECK_OK(t, cx, prepare(cx, e, true, counts[i], false, &other));
            CHECK_OK(t, cx, run_once(&other, 11));
            CHECK(t, distance(&other, &one) == 0, "%s with %d threads: %g", e->name, counts[i],
                  distance(&other, &one));
            if (!i) CHECK_OK(t, cx, run_once(&other, 12));
            CHECK(t, i || distance(&other, &one) > 1e-3, "%s: other parameters give the same",
                  e->name);
            run_free(&other);
        }
        run_free(&one);
        CHECK(t, context_live_allocations(cx) == 0, "%lld left",
              (long long)context_live_allocations(cx));
        context_free(cx);
    }
}

static void near_reference(test *t) {
    for (const example_graph *e = example_graphs; e->name; e++) {
        context *cx = context_new();
        run fast, fused, plain;
        CHECK_OK(t, cx, prepare(cx, e, true, 2, false, &fast));
        CHECK_OK(t, cx, prepare(cx, e, true, 1, true, &fused));
        CHECK_OK(t, cx, prepare(cx, e, false, 1, true, &plain));
        CHECK_OK(t, cx, run_once(&fast, 5));
        CHECK_OK(t, cx, run_once(&fused, 5));
        CHECK_OK(t, cx, run_once(&plain, 5));
        CHECK(t, distance(&fused, &plain) < 1e-6, "%s: fusing moved gradients by %g", e->name,
              distance(&fused, &plain));
        CHECK(t, distance(&fast, &plain) < 1e-5, "%s: kernels moved gradients by %g", e->name,
              distance(&fast, &plain));
        run_free(&fast);
        run_free(&fused);
        run_free(&plain);
        context_free(cx);
    }
}

static void memory(test *t) {
    for (const example_graph *e = example_graphs; e->name; e++) {
        context *cx = context_new();
        run r;
        CHECK_OK(t, cx, prepare(cx, e, true, 2, false, &r));
        printf("  %s: %lld placed for %lld live\n", e->name, (long long)r.p->planned_bytes,
               (long long)r.p->live_bytes);
        CHECK(t, r.p->planned_bytes <= 1.10 * (double)r.p->live_bytes, "%s", e->name);
        run_free(&r);
        context_free(cx);
    }
}

const test_case suite_examples[] = {
    {"threads", threads}, {"near_reference", near_reference}, {"memory", memory}, {0}};
