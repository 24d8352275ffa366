/* The training step: gathering equals one large step, threads change nothing, clipping and the average are what their
 * equations say, every optimiser lowers the loss, schedules at their corners. */
#include "base/rng.h"
#include "ops/attention.h"
#include "ops/binary.h"
#include "ops/gather.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/unary.h"
#include "test.h"
#include "train/lr_schedule.h"
#include "train/score.h"
#include <math.h>
#include <stdio.h>

enum { VOCABULARY = 13, WIDTH = 16, ROWS = 144, MOST_SEQUENCES = 32 };

static value weight(graph *g, const char *name, int64_t rows, int64_t columns) {
    type t = type_fixed(num_find("f32"), columns ? 2 : 1, (int64_t[]){rows, columns});
    return graph_state(g, name, t, TAG_PARAMETER);
}

/* One block over a table, with a bias and norms. */
static value tiny_logits(void *user, graph *g, value ids, value positions, value offsets,
                         double dropout) {
    (void)user, (void)positions, (void)dropout;
    value x = build_embedding(g, weight(g, "table", VOCABULARY, WIDTH), ids, NULL);
    value n = build_rms_norm(g, x, weight(g, "norm1", WIDTH, 0), 1e-5);
    value parts[3];
    const char *names[] = {"q", "k", "v"};
    for (int i = 0; i < 3; i++)
        parts[i] = build_matmul(g, n, weight(g, names[i], WIDTH, WIDTH), false, true, NULL);
    attention_params p = {.head = 8, .group = 1, .scale = 0.35, .causal = true};
    value in[ATTENTION_OPERANDS];
    for (int i = 0; i < ATTENTION_OPERANDS; i++) in[i] = NO_VALUE;
    in[ATTENTION_Q] = parts[0], in[ATTENTION_K] = parts[1], in[ATTENTION_V] = parts[2];
    in[ATTENTION_Q_OFFSETS] = offsets;
    x = build_add(g, x, build_attention(g, &p, in));
    n = build_rms_norm(g, x, weight(g, "norm2", WIDTH, 0), 1e-5);
    value h = build_matmul(g, n, weight(g, "up", 4 * WIDTH, WIDTH), false, true, NULL);
    h = build_gelu(g, build_add(g, h, weight(g, "bias", 4 * WIDTH, 0)));
    x = build_add(g, x, build_matmul(g, h, weight(g, "down", WIDTH, 4 * WIDTH), false, true, NULL));
    return build_matmul(g, x, weight(g, "head", VOCABULARY, WIDTH), false, true, NULL);
}

static const step_model tiny = {.logits = tiny_logits};

typedef struct rows {
    int32_t ids[ROWS], targets[ROWS], positions[ROWS], offsets[MOST_SEQUENCES + 1];
} rows;

/* Sequences of unequal lengths; the next id follows from the last by a rule. */
static step_batch fill_rows(rows *r, const int64_t *lengths, int64_t n, uint64_t seed) {
    int64_t at = 0;
    rng random = rng_make(seed, 1);
    for (int64_t s = 0; s < n; s++) {
        int32_t id = (int32_t)rng_below(&random, VOCABULARY);
        r->offsets[s] = (int32_t)at;
        for (int64_t i = 0; i < lengths[s]; i++, at++) {
            r->ids[at] = id;
            r->positions[at] = (int32_t)i;
            id = (id * 5 + 3) % VOCABULARY;
            r->targets[at] = i + 1 < lengths[s] ? id : -1;
        }
    }
    r->offsets[n] = (int32_t)at;
    return (step_batch){r->ids, r->targets, r->positions, r->offsets, at, n};
}

static step_options plain_options(const char *optimiser) {
    return (step_options){.tokens = ROWS,
                          .sequences = MOST_SEQUENCES,
                          .optimiser = optimiser_find(optimiser),
                          .optimiser_options = {.decay = 0.1,
                                                .beta1 = 0.9,
                                                .beta2 = 0.99,
                                                .eps = 1e-8,
                                                .momentum = 0.9,
                                                .nesterov = true},
                          .seed = 7};
}

static void draw_weights(states *store) {
    for (int32_t i = 0; i < states_count(store); i++) {
        const state *s = states_at(store, i);
        float *w = s->t.data;
        if (s->tag != TAG_PARAMETER) continue;
        rng_fill_normal(3, rng_stream(s->name), 0, tensor_elems(&s->t), w);
        for (int64_t e = 0; e < tensor_elems(&s->t); e++)
            w[e] = s->t.rank == 1 ? 1 + 0.1f * w[e] : 0.3f * w[e];
    }
}

typedef struct trial {
    states *store;
    pool *workers;
    step *s;
} trial;

static status open_trial(context *cx, const step_options *o, int threads, trial *out) {
    *out = (trial){.store = states_new(cx)};
    TRY(pool_new(cx, threads, &out->workers));
    TRY(step_new(cx, &tiny, o, out->store, out->workers, &out->s));
    draw_weights(out->store);
    return STATUS_OK;
}

static void close_trial(trial *t) {
    step_free(t->s);
    states_free(t->store);
    pool_free(t->workers);
}

static const int64_t lengths[MOST_SEQUENCES] = {5, 3, 7, 2, 6, 4, 3, 5, 2, 4, 5, 2, 3, 8, 2, 5,
                                                4, 6, 2, 3, 7, 4, 5, 2, 9, 3, 4, 2, 6, 5, 3, 7};

/* The largest difference of any parameter, relative to the parameter's largest element. */
static double difference(const states *a, const states *b) {
    double worst = 0;
    for (int32_t i = 0; i < states_count(a); i++) {
        const state *x = states_at(a, i), *y = states_find(b, x->name);
        if (!y || x->tag != TAG_PARAMETER) continue;
        const float *u = x->t.data, *v = y->t.data;
        double most = 0, apart = 0;
        for (int64_t e = 0; e < tensor_elems(&x->t); e++) {
            most = fmax(most, fabs((double)u[e]));
            apart = fmax(apart, fabs((double)u[e] - (double)v[e]));
        }
        worst = fmax(worst, apart / most);
    }
    return worst;
}

/* 32 sequences at once, or four parts of eight, which differ in tokens: plain descent, which shows the gradient
 * itself. */
static void gathering(test *t) {
    context *cx = context_new();
    trial whole, parts;
    rows all, part[4];
    step_options o = plain_options("sgd");
    o.optimiser_options.momentum = 0;
    o.clip = 0.5;
    step_batch one = fill_rows(&all, lengths, MOST_SEQUENCES, 5), four[4];
    for (int b = 0; b < 4; b++) {
        int32_t from = all.offsets[8 * b], to = all.offsets[8 * b + 8];
        for (int i = 0; i <= 8; i++) part[b].offsets[i] = all.offsets[8 * b + i] - from;
        four[b] = (step_batch){all.ids + from,  all.targets + from, all.positions + from,
                               part[b].offsets, to - from,          8};
    }
    step_result a, b;
    CHECK_OK(t, cx, open_trial(cx, &o, 1, &whole));
    o.gathers = true;
    CHECK_OK(t, cx, open_trial(cx, &o, 1, &parts));
    for (int k = 1; k <= 3; k++) {
        CHECK_OK(t, cx, step_run(whole.s, &one, 1, 0.5, k, &a));
        CHECK_OK(t, cx, step_run(parts.s, four, 4, 0.5, k, &b));
        CHECK(t, a.tokens == b.tokens && a.tokens == 106, "%d", (int)b.tokens);
        CHECK(t, fabs(a.loss - b.loss) < 2e-6 * a.loss, "%.9g and %.9g", a.loss, b.loss);
        CHECK(t, fabs(a.norm - b.norm) < 1e-5 * a.norm, "%.9g and %.9g", a.norm, b.norm);
    }
    double apart = difference(whole.store, parts.store);
    CHECK(t, apart < 3e-6, "%g", apart);
    /* The control: parts weighted alike, whatever their number of tokens, differ. */
    CHECK_OK(t, cx, step_run(parts.s, four, 3, 0.5, 4, &b));
    apart = difference(whole.store, parts.store);
    CHECK(t, apart > 1e-4, "%g", apart);
    close_trial(&whole);
    close_trial(&parts);
    context_free(cx);
}

static void threads(test *t) {
    context *cx = context_new();
    trial one, two;
    rows r;
    step_options o = plain_options("adamw");
    o.clip = 1, o.z = 1e-3;
    step_batch batch = fill_rows(&r, lengths, MOST_SEQUENCES, 5);
    step_result a, b;
    CHECK_OK(t, cx, open_trial(cx, &o, 1, &one));
    CHECK_OK(t, cx, open_trial(cx, &o, 2, &two));
    for (int k = 1; k <= 5; k++) {
        CHECK_OK(t, cx, step_run(one.s, &batch, 1, 0.01, k, &a));
        CHECK_OK(t, cx, step_run(two.s, &batch, 1, 0.01, k, &b));
        CHECK(t, a.loss == b.loss && a.norm == b.norm, "%.9g %.9g", a.loss, b.loss);
    }
    CHECK(t, difference(one.store, two.store) == 0);
    close_trial(&one);
    close_trial(&two);
    context_free(cx);
}

/* Without momentum and decay, w - w' = lr scale g, whose norm clipping bounds; the average follows its equation. */
static void clipping(test *t) {
    context *cx = context_new();
    trial run;
    rows r;
    step_options o = plain_options("sgd");
    o.optimiser_options.momentum = o.optimiser_options.decay = 0;
    o.ema = 0.75;
    step_batch batch = fill_rows(&r, lengths, MOST_SEQUENCES, 5);
    for (int k = 0; k < 2; k++) {
        o.clip = k ? 0.25 : 0;
        step_result got;
        CHECK_OK(t, cx, open_trial(cx, &o, 1, &run));
        step_average_begin(run.s);
        CHECK_OK(t, cx, step_run(run.s, &batch, 1, 0.125, 1, &got));
        states *before = states_new(cx);
        step *same;
        CHECK_OK(t, cx, step_new(cx, &tiny, &o, before, NULL, &same));
        draw_weights(before);
        double moved = 0, astray = 0;
        for (int32_t i = 0; i < run.s->n_parameters; i++) {
            const char *name = run.s->names[i];
            char average[64];
            snprintf(average, sizeof average, "%s.ema", name);
            const float *w = states_find(before, name)->t.data;
            const float *next = states_find(run.store, name)->t.data;
            const float *ema = states_find(run.store, average)->t.data;
            for (int64_t e = 0; e < tensor_elems(&states_find(before, name)->t); e++) {
                double d = (double)w[e] - (double)next[e];
                moved += d * d;
                astray = fmax(
                    astray, fabs((double)ema[e] - (0.75 * (double)w[e] + 0.25 * (double)next[e])));
            }
        }
        double want = 0.125 * (k ? 0.25 : got.norm);
        CHECK(t, got.norm > 0.3, "%g", got.norm);
        CHECK(t, fabs(sqrt(moved) - want) < 1e-4 * want, "%g, not %g", sqrt(moved), want);
        CHECK(t, astray < 1e-6, "%g", astray);
        step_free(same);
        states_free(before);
        close_trial(&run);
    }
    context_free(cx);
}

static double score_of(context *cx, const trial *run, const step_options *o, const step_batch *b) {
    score *judge;
    const float *each;
    double sum = 0;
    if (score_new(cx, &tiny, o, run->store, NULL, &judge) != STATUS_OK ||
        score_run(judge, b, true, &each) != STATUS_OK)
        return NAN;
    for (int64_t i = 0; i < b->tokens; i++) sum += (double)each[i];
    score_free(judge);
    return sum;
}

/* Each optimiser learns the rule; the forward plan sees the same weights and the same loss. */
static void optimisers(test *t) {
    static const char *const names[] = {"adamw", "sgd", "muon"};
    static const double rates[] = {0.01, 0.05, 0.01};
    context *cx = context_new();
    for (int k = 0; k < 3; k++) {
        trial run;
        rows r;
        step_options o = plain_options(names[k]);
        o.clip = 1;
        step_batch batch = fill_rows(&r, lengths, MOST_SEQUENCES, 5);
        step_result first, last;
        CHECK_OK(t, cx, open_trial(cx, &o, 2, &run));
        double before = score_of(cx, &run, &o, &batch);
        CHECK_OK(t, cx, step_run(run.s, &batch, 1, rates[k], 1, &first));
        CHECK(t, fabs(before / 106 - first.loss) < 1e-5, "%g and %g", before / 106, first.loss);
        for (int i = 2; i <= 60; i++)
            CHECK_OK(t, cx, step_run(run.s, &batch, 1, rates[k], i, &last));
        CHECK(t, first.loss > 2 && last.loss < 0.3, "%s: from %g to %g", names[k], first.loss,
              last.loss);
        CHECK(t, step_flops(run.s) > 6.0 * 48 * WIDTH * 11 * WIDTH, "%g", step_flops(run.s));
        close_trial(&run);
    }
    context_free(cx);
}

/* A weight that is not a number is found by its gradient. */
static void blame(test *t) {
    context *cx = context_new();
    trial run;
    rows r;
    step_options o = plain_options("adamw");
    step_batch batch = fill_rows(&r, lengths, MOST_SEQUENCES, 5);
    step_result got;
    int64_t count;
    CHECK_OK(t, cx, open_trial(cx, &o, 1, &run));
    CHECK_OK(t, cx, step_run(run.s, &batch, 1, 0.01, 1, &got));
    CHECK(t, !step_blame(run.s, &count) && count == 0);
    ((float *)states_find(run.store, "up")->t.data)[3] = NAN;
    CHECK_OK(t, cx, step_run(run.s, &batch, 1, 0.01, 2, &got));
    CHECK(t, !isfinite(got.norm) && step_blame(run.s, &count) && count > 1, "%g", got.norm);
    close_trial(&run);
    context_free(cx);
}

static void schedules(test *t) {
    static const struct corner {
        lr_schedule s;
        int64_t step;
        double want;
    } corners[] = {
        {{SCHEDULE_COSINE, 10, 110, 0.1, 0}, 5, 0.5},
        {{SCHEDULE_COSINE, 10, 110, 0.1, 0}, 10, 1},
        {{SCHEDULE_COSINE, 10, 110, 0.1, 0}, 60, 0.55},
        {{SCHEDULE_COSINE, 10, 110, 0.1, 0}, 110, 0.1},
        {{SCHEDULE_LINEAR, 0, 100, 0, 0}, 25, 0.75},
        {{SCHEDULE_WSD, 10, 100, 0, 0.2}, 80, 1},
        {{SCHEDULE_WSD, 10, 100, 0, 0.2}, 90, 0.5},
        {{SCHEDULE_WSD, 10, 100, 0, 0.2}, 100, 0},
        {{SCHEDULE_CONSTANT, 4, 100, 0, 0}, 100, 1},
        {{SCHEDULE_CONSTANT, 4, 100, 0, 0}, 1, 0.25},
    };
    for (int64_t i = 0; i < COUNT_OF(corners); i++) {
        double got = lr_schedule_at(&corners[i].s, corners[i].step);
        CHECK(t, fabs(got - corners[i].want) < 1e-12, "%d: %g", (int)i, got);
    }
}

const test_case suite_train[] = {
    {"gathering", gathering, false},
    {"threads", threads, false},
    {"clipping", clipping, false},
    {"optimisers", optimisers, false},
    {"blame", blame, false},
    {"schedules", schedules, false},
    {0},
};
