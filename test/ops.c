/* Every op of the registry, on random cases of its own sampler, in double: shapes and declarations;
 * the gradient and the gradient of the gradient against central differences along one random
 * direction; the expansion against the reference; and the axis labels, by halving each and putting
 * the results together. */
#include "test.h"
#include "kit/interpret.h"
#include "kit/sweep.h"
#include "ops/reduce.h"
#include "ops/unary.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CASES = 20 };
static const double STEP = 1e-5, CLOSE = 1e-6;

typedef struct lab {
    context *cx;
    sample s;
    const op_def *op;
    node *n;
} lab;

static bool lab_open(test *t, lab *l, const op_def *op, uint64_t seed, bool even) {
    *l = (lab){.cx = context_new(), .op = op};
    l->s = (sample){.g = graph_new(l->cx), .state = seed * 7919, .even = even};
    status st = op->sample(&l->s);
    if (st == STATUS_OK) st = graph_verify(l->s.g);
    if (st != STATUS_OK) {
        test_fail(t, __FILE__, __LINE__, op->name, "seed %d: %s", (int)seed, context_error(l->cx));
        return false;
    }
    l->n = value_node(l->s.g, l->s.y);
    return true;
}

static void lab_close(lab *l) {
    graph_free(l->s.g);
    context_free(l->cx);
}

/* ---- derivatives ---- */
typedef struct problem {
    int32_t first, last;               /* the nodes that compute the function */
    value out[MAX_IN], weight[MAX_IN]; /* it is the sum of weight . out */
    value of[MAX_IN + MAX_OUT];        /* and depends on these */
    int32_t n_out, n_of;
} problem;

static value weight_for(graph *g, value v) {
    char name[32];
    snprintf(name, sizeof name, "weight%d", g->n_nodes);
    type t = *value_type(g, v);
    t.format = num_find("f64");
    return graph_input(g, name, t);
}

static void weigh(problem *p, graph *g, value v) {
    p->out[p->n_out] = v;
    p->weight[p->n_out++] = weight_for(g, v);
}

static void depend(problem *p, value v) {
    for (int32_t i = 0; i < p->n_of; i++)
        if (value_same(p->of[i], v)) return;
    p->of[p->n_of++] = v;
}

static double function_at(const interpretation *run, const problem *p) {
    interpret_run(run, p->first, p->last);
    double sum = 0;
    for (int32_t i = 0; i < p->n_out; i++) {
        const double *y = interpret_numbers(run, p->out[i]);
        const double *w = interpret_numbers(run, p->weight[i]);
        for (int64_t k = 0; k < interpret_count(run, p->out[i]); k++)
            if (isfinite(y[k])) sum += w[k] * y[k];
    }
    return sum;
}

static void move(const interpretation *run, const problem *p, double *const *way, double by) {
    for (int32_t i = 0; i < p->n_of; i++) {
        double *x = interpret_numbers(run, p->of[i]);
        for (int64_t k = 0; k < interpret_count(run, p->of[i]); k++) x[k] += by * way[i][k];
    }
}

static double *random_like(interpretation *run, sample *s, value v, double *into) {
    int64_t count = interpret_count(run, v);
    if (!into) into = ARENA_NEW(&run->mem, double, count + 1);
    for (int64_t k = 0; into && k < count; k++) into[k] = sample_real(s, -1, 1);
    return into;
}

/* The derivative along a random direction by the sweep and by differences; their distance over
 * their size. */
static double derivative_distance(lab *l, const problem *p, const sweep *s) {
    interpretation run;
    double *way[MAX_IN + MAX_OUT], exact = 0, size = 1e-3;
    if (interpret_begin(l->s.g, l->s.symbols, &run) != STATUS_OK) return INFINITY;
    interpret_bind(&run, &l->s);
    for (int32_t i = 0; i < l->s.g->n_nodes; i++) {
        const node *n = graph_node(l->s.g, i);
        if (n->op == &op_input && !strncmp(n->name, "weight", 6))
            random_like(&run, &l->s, (value){i, 0}, interpret_numbers(&run, (value){i, 0}));
    }
    interpret_run(&run, 0, l->s.g->n_nodes);
    for (int32_t i = 0; i < p->n_of; i++) {
        way[i] = random_like(&run, &l->s, p->of[i], NULL);
        value dx = s->of[p->of[i].node][p->of[i].out];
        if (value_absent(dx)) continue;
        const double *slope = interpret_numbers(&run, dx);
        for (int64_t k = 0; k < interpret_count(&run, dx); k++) {
            exact += slope[k] * way[i][k];
            size += fabs(slope[k] * way[i][k]);
        }
    }
    move(&run, p, way, STEP);
    double above = function_at(&run, p);
    move(&run, p, way, -2 * STEP);
    double below = function_at(&run, p);
    double numeric = (above - below) / (2 * STEP);
    interpret_end(&run);
    return fabs(exact - numeric) / (size + fabs(numeric));
}

static bool gradient_shapes_fit(const lab *l, const problem *p, const sweep *s) {
    for (int32_t i = 0; i < p->n_of; i++) {
        value dx = s->of[p->of[i].node][p->of[i].out];
        if (!value_absent(dx) &&
            !type_same_dims(value_type(l->s.g, dx), value_type(l->s.g, p->of[i])))
            return false;
    }
    return true;
}

static uint32_t differentiable_operands(const lab *l) {
    uint32_t want = 0;
    for (int32_t i = 0; i < l->n->n_in; i++)
        if (!value_absent(l->n->in[i]) &&
            value_type(l->s.g, l->n->in[i])->format->kind != NUM_INDEX)
            want |= 1u << i;
    if (l->op->n_in >= 0) want &= ~(l->op->no_grad_in | l->op->index_in | l->op->shape_only);
    return want;
}

static void check_gradients(test *t, const op_def *op, uint64_t seed, sweep *s) {
    lab l;
    if (!lab_open(t, &l, op, seed, false)) return;
    graph *g = l.s.g;
    problem p = {.first = l.n->id, .last = l.n->id + 1};
    for (int32_t o = 0; o < l.n->n_out; o++)
        if (l.n->out[o].format->kind != NUM_INDEX) weigh(&p, g, (value){l.n->id, o});
    uint32_t want = differentiable_operands(&l);
    for (int32_t i = 0; i < l.n->n_in; i++)
        if (want >> i & 1) depend(&p, l.n->in[i]);
    sweep_clear(s, g);
    int32_t first_order = g->n_nodes;
    for (int32_t i = 0; i < p.n_out; i++) sweep_give(s, p.out[i], p.weight[i]);
    sweep_back(s, p.first, p.last);
    CHECK_OK(t, l.cx, graph_status(g));
    CHECK(t, !s->without, "%s has neither gradient nor expansion", s->without);
    CHECK_OK(t, l.cx, graph_verify(g));
    CHECK(t, gradient_shapes_fit(&l, &p, s), "%s, seed %d: shapes", op->name, (int)seed);
    double distance = derivative_distance(&l, &p, s);
    CHECK(t, distance < CLOSE, "%s, seed %d: gradient is off by %g", op->name, (int)seed, distance);

    if (!op->grad_once && g->n_nodes > first_order) {
        problem q = {.first = l.n->id, .last = g->n_nodes};
        for (int32_t i = 0; i < p.n_of; i++) {
            value dx = s->of[p.of[i].node][p.of[i].out];
            if (!value_absent(dx)) weigh(&q, g, dx);
            depend(&q, p.of[i]);
        }
        for (int32_t i = 0; i < p.n_out; i++) depend(&q, p.weight[i]);
        sweep_clear(s, g);
        for (int32_t i = 0; i < q.n_out; i++) sweep_give(s, q.out[i], q.weight[i]);
        sweep_back(s, q.first, q.last);
        CHECK_OK(t, l.cx, graph_status(g));
        CHECK(t, !s->without, "%s, second: %s has neither gradient nor expansion", op->name,
              s->without);
        distance = derivative_distance(&l, &q, s);
        CHECK(t, distance < CLOSE, "%s, seed %d: second gradient is off by %g", op->name, (int)seed,
              distance);
    }
    lab_close(&l);
}

static void gradients(test *t) {
    sweep *s = malloc(sizeof *s);
    for (int32_t i = 0; registry_op[i]; i++) {
        const op_def *op = registry_op[i];
        if (op->no_grad) continue;
        for (uint64_t seed = 1; seed <= CASES; seed++) check_gradients(t, op, seed, s);
    }
    free(s);
}

/* The gradient of exp passed off as that of its operand's square must be seen. */
static void gradient_control(test *t) {
    lab l;
    sweep *s = malloc(sizeof *s);
    if (!lab_open(t, &l, op_find("exp"), 3, false)) return;
    problem p = {.first = l.n->id, .last = l.n->id + 1};
    weigh(&p, l.s.g, l.s.y);
    depend(&p, l.n->in[0]);
    sweep_clear(s, l.s.g);
    sweep_give(s, l.n->in[0], build_square(l.s.g, p.weight[0]));
    CHECK(t, derivative_distance(&l, &p, s) > 1e-3, "a wrong gradient passed");
    lab_close(&l);
    free(s);
}

/* ---- declarations ---- */
static void declarations(test *t) {
    for (int32_t i = 0; registry_op[i]; i++) {
        const op_def *op = registry_op[i];
        CHECK(t, op_find(op->name) == op, "%s", op->name);
        CHECK(t, op->help && op->shape && op->labels && op->reference && op->cost && op->sample,
              "%s is not whole", op->name);
        CHECK(t, !op->params_bytes == !op->fields, "%s: fields", op->name);
        uint32_t all = op->n_in >= 0 ? (1u << op->n_in) - 1 : ~0u;
        bool flows = all & ~(op->no_grad_in | op->index_in | op->shape_only);
        CHECK(t, op->no_grad || !flows || op->gradient || op->expand,
              "%s has no gradient and does not say so", op->name);
        for (uint64_t seed = 1; seed <= CASES; seed++) {
            lab l;
            if (!lab_open(t, &l, op, seed, seed % 2)) return;
            CHECK(t, l.n->op == op, "%s sampled %s", op->name, l.n->op->name);
            lab_close(&l);
        }
    }
}

/* ---- expansion ---- */
static double distance_between(const double *a, const double *b, int64_t count) {
    double most = 0;
    for (int64_t k = 0; k < count; k++) {
        if (a[k] == b[k] || (isnan(a[k]) && isnan(b[k]))) continue;
        double d = fabs(a[k] - b[k]) / (1 + fabs(a[k]));
        most = d <= most ? most : d; /* NaN counts as far */
    }
    return most;
}

static void check_expansion(test *t, const op_def *op, uint64_t seed) {
    lab l;
    if (!lab_open(t, &l, op, seed, false)) return;
    value out[MAX_OUT] = {NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE};
    op->expand(l.s.g, l.s.y, l.n->in, out);
    CHECK_OK(t, l.cx, graph_status(l.s.g));
    interpretation run;
    CHECK_OK(t, l.cx, interpret_begin(l.s.g, l.s.symbols, &run));
    interpret_bind(&run, &l.s);
    interpret_run(&run, 0, l.s.g->n_nodes);
    for (int32_t o = 0; o < l.n->n_out; o++) {
        value y = {l.n->id, o};
        CHECK(t, type_same(value_type(l.s.g, y), value_type(l.s.g, out[o])), "%s: output %d",
              op->name, o);
        double d = distance_between(interpret_numbers(&run, y), interpret_numbers(&run, out[o]),
                                    interpret_count(&run, y));
        CHECK(t, d < 1e-10, "%s, seed %d: output %d is off by %g", op->name, (int)seed, o, d);
    }
    interpret_end(&run);
    lab_close(&l);
}

static void expansions(test *t) {
    for (int32_t i = 0; registry_op[i]; i++)
        for (uint64_t seed = 1; registry_op[i]->expand && seed <= CASES; seed++)
            check_expansion(t, registry_op[i], seed);
}

/* ---- labels ---- */
static int32_t axis_of(const axis_label *axes, const type *t, int label) {
    for (int32_t d = 0; d < t->rank; d++)
        if (axes[d].label == label) return d;
    return -1;
}

/* Copies half `h` of `from` along the axis to `to` (join: from half `to` back into the whole
 * `from`). */
static void copy_half(const tensor *whole, const tensor *half, int32_t axis, int h, bool join) {
    int64_t outer = 1, inner = whole->format->kind == NUM_INDEX ? whole->format->block_bytes : 8;
    for (int32_t d = 0; d < axis; d++) outer *= whole->dim[d];
    for (int32_t d = axis + 1; d < whole->rank; d++) inner *= whole->dim[d];
    size_t bytes = (size_t)(half->dim[axis] * inner);
    for (int64_t o = 0; o < outer; o++) {
        char *w = (char *)whole->data + (o * whole->dim[axis] + h * half->dim[axis]) * inner;
        char *p = (char *)half->data + o * half->dim[axis] * inner;
        memcpy(join ? w : p, join ? p : w, bytes);
    }
}

/* The node over one half of a label. */
static value build_half(const lab *l, const labels *lab_of, int label, graph *g) {
    value in[MAX_IN];
    for (int32_t i = 0; i < l->n->n_in; i++) {
        in[i] = NO_VALUE;
        if (value_absent(l->n->in[i])) continue;
        type t = *value_type(l->s.g, l->n->in[i]);
        int32_t d = axis_of(lab_of->in[i], &t, label);
        if (d >= 0) t.dim[d] = extent_of(t.dim[d].add / 2);
        char name[16];
        snprintf(name, sizeof name, "in%d", i);
        in[i] = graph_input(g, name, t);
    }
    return graph_add(g, l->op, l->n->params, l->n->n_in, in);
}

static void merge_half(const lab *l, const labels *lab_of, int label, int h,
                       const interpretation *half, value y, const interpretation *whole) {
    for (int32_t o = 0; o < l->n->n_out; o++) {
        const tensor *to = interpret_at(whole, (value){l->n->id, o});
        const tensor *from = interpret_at(half, (value){y.node, o});
        int32_t d = axis_of(lab_of->out[o], &l->n->out[o], label);
        if (d >= 0) {
            copy_half(to, from, d, h, true);
            continue;
        }
        double *a = to->data;
        const double *b = from->data;
        if (to->format->kind == NUM_INDEX) continue;
        for (int64_t k = 0; k < interpret_count(whole, (value){l->n->id, o}); k++)
            a[k] = !h ? b[k] : lab_of->how[label] == LABEL_MAX ? fmax(a[k], b[k]) : a[k] + b[k];
    }
}

/* How far the two halves, put together, are from the whole; negative: there is nothing to halve. */
static double label_distance(const lab *l, const labels *lab_of, int label) {
    bool seen = false;
    for (int32_t i = 0; i < l->n->n_in; i++) {
        if (value_absent(l->n->in[i])) continue;
        const type *t = value_type(l->s.g, l->n->in[i]);
        int32_t d = axis_of(lab_of->in[i], t, label);
        if (d < 0) continue;
        int64_t grain = MAX_OF(1, lab_of->in[i][d].grain);
        if (t->dim[d].add / grain % 2) return -1;
        seen = true;
    }
    if (!seen) return -1;
    interpretation whole, merged;
    double worst = INFINITY;
    if (interpret_begin(l->s.g, l->s.symbols, &whole) != STATUS_OK) return worst;
    if (interpret_begin(l->s.g, l->s.symbols, &merged) != STATUS_OK) return worst;
    interpret_bind(&whole, &l->s);
    interpret_run(&whole, 0, l->s.g->n_nodes);
    for (int h = 0; h < 2; h++) {
        graph *g = graph_new(l->cx);
        value y = build_half(l, lab_of, label, g);
        interpretation half;
        if (graph_status(g) != STATUS_OK || interpret_begin(g, NULL, &half) != STATUS_OK) {
            graph_free(g);
            goto done;
        }
        for (int32_t i = 0; i < l->n->n_in; i++) {
            if (value_absent(l->n->in[i])) continue;
            const tensor *from = interpret_at(&whole, l->n->in[i]);
            const tensor *to = interpret_at(&half, value_node(g, y)->in[i]);
            int32_t d = axis_of(lab_of->in[i], value_type(l->s.g, l->n->in[i]), label);
            tensor flat = {.data = from->data, .format = from->format, .rank = 1};
            flat.dim[0] = interpret_count(&whole, l->n->in[i]);
            if (d >= 0)
                copy_half(from, to, d, h, false);
            else
                copy_half(&flat, &(tensor){.data = to->data, .rank = 1, .dim = {flat.dim[0]}}, 0, 0,
                          false);
        }
        interpret_run(&half, 0, g->n_nodes);
        merge_half(l, lab_of, label, h, &half, y, &merged);
        interpret_end(&half);
        graph_free(g);
    }
    worst = 0;
    for (int32_t o = 0; o < l->n->n_out; o++) {
        value y = {l->n->id, o};
        bool sums = axis_of(lab_of->out[o], &l->n->out[o], label) < 0;
        if (l->n->out[o].format->kind == NUM_INDEX || (sums && lab_of->partial_out >> o & 1))
            continue;
        worst = fmax(worst,
                     distance_between(interpret_numbers(&whole, y), interpret_numbers(&merged, y),
                                      interpret_count(&whole, y)));
    }
done:
    interpret_end(&whole);
    interpret_end(&merged);
    return worst;
}

static void label_claims(test *t) {
    for (int32_t i = 0; registry_op[i]; i++) {
        const op_def *op = registry_op[i];
        int tried = 0, claimed = 0;
        for (uint64_t seed = 1; seed <= CASES; seed++) {
            lab l;
            labels of = {0};
            if (!lab_open(t, &l, op, seed, true)) return;
            op->labels(l.s.g, l.n, &of);
            for (int label = 1; label < MAX_LABELS; label++) {
                if (of.how[label] == LABEL_WHOLE || of.how[label] == LABEL_RAGGED) continue;
                double d = label_distance(&l, &of, label);
                CHECK(t, d < 1e-9, "%s, seed %d: label %d is off by %g (%s)", op->name, (int)seed,
                      label, d, context_error(l.cx));
                tried += d >= 0;
            }
            for (int k = 0; k < l.n->n_in * MAX_RANK; k++) {
                int label = of.in[k / MAX_RANK][k % MAX_RANK].label;
                claimed += label && of.how[label] != LABEL_WHOLE && of.how[label] != LABEL_RAGGED;
            }
            lab_close(&l);
        }
        CHECK(t, tried || !claimed, "%s: no claim could be tried", op->name);
    }
}

/* Halves of a mean do not add up to it, which must be seen. */
static void label_control(test *t) {
    lab l;
    labels of = {0};
    const op_def *op = op_find("mean");
    for (uint64_t seed = 1; seed <= CASES; seed++) {
        if (!lab_open(t, &l, op, seed, true)) return;
        const reduce_params *p = l.n->params;
        op->labels(l.s.g, l.n, &of);
        of.how[1] = LABEL_FREE;
        double d = p->axes & 1 ? label_distance(&l, &of, 1) : -1;
        CHECK(t, d < 0 || d > 1e-3, "seed %d: halves of a mean added up", (int)seed);
        lab_close(&l);
    }
}

const test_case suite_ops[] = {{"declarations", declarations},
                               {"gradients", gradients},
                               {"gradient_control", gradient_control},
                               {"expansions", expansions},
                               {"label_claims", label_claims},
                               {"label_control", label_control},
                               {0}};
