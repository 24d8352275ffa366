/* Weights of which two of every four were pruned, stored so or not. Half of the values and a mask take 0.5625 of bf16's
 * bytes; whether a model decodes faster for it depends on the machine, so that is measured: the products of one layer
 * for one row, dense and sparse in turn, the median of what each pair takes. What is slower stays dense unless the
 * container was named. */
#include "base/sort.h"
#include "base/time.h"
#include "compress/kit/pack.h"
#include "compress/kit/run.h"
#include "exec/plan.h"
#include "ops/matmul.h"
#include <stdio.h>
#include <string.h>

enum { FOUR = 4, PAIRS = 21 };

static bool row_fits(const float *x, int64_t k) {
    for (int64_t i = 0; i < k; i += FOUR) {
        int kept = 0;
        for (int64_t j = i; j < MIN_OF(i + FOUR, k); j++) kept += x[j] != 0;
        if (kept > 2) return false;
    }
    return true;
}

/* What learning on after pruning does not promise. */
static status check_product(compress *c, const product *p, bool *fits) {
    float *row = context_alloc(c->cx, (size_t)p->k * sizeof *row);
    if (!row) return STATUS_NO_MEMORY;
    *fits = true;
    for (int64_t r = 0; r < p->n && *fits; r++) {
        weights_rows(p->w, r, r + 1, row);
        *fits = row_fits(row, p->k);
    }
    context_release(c->cx, row);
    return STATUS_OK;
}

/* ---- is it worth it ---- */

typedef struct trial {
    graph *g;
    states *store;
    plan *p;
} trial;

static void trial_close(trial *t) {
    plan_free(t->p);
    graph_free(t->g);
    states_free(t->store);
}

/* The products of the first layer that has any, for one row. */
static void build(compress *c, graph *g, const num_format *format) {
    const num_format *bf16 = num_find("bf16");
    for (int64_t i = 0; i < c->n_products && c->products[i].layer == c->products[0].layer; i++) {
        const product *p = &c->products[i];
        const int64_t row[] = {1, p->k}, matrix[] = {p->n, p->k};
        value x =
            graph_input(g, arena_printf(&g->mem, "x%lld", (long long)i), type_fixed(bf16, 2, row));
        value w = graph_state(g, arena_printf(&g->mem, "w%lld", (long long)i),
                              type_fixed(format, 2, matrix), TAG_PARAMETER);
        graph_mark(g, MARK_OUTPUT, arena_printf(&g->mem, "y%lld", (long long)i),
                   build_matmul(g, x, w, false, true, bf16), NO_VALUE);
    }
}

static status trial_open(compress *c, const char *format, trial *t) {
    plan_options how = {.isa_limit = cpu_isa_best()};
    const int64_t no_symbols[1] = {0};
    *t = (trial){.g = graph_new(c->cx), .store = states_new(c->cx)};
    if (!t->g || !t->store) return STATUS_NO_MEMORY;
    build(c, t->g, num_find(format));
    TRY(graph_status(t->g));
    TRY(plan_new(c->cx, t->g, t->store, c->workers, &how, &t->p));
    TRY(plan_load(t->p));
    return plan_bind(t->p, no_symbols);
}

static double seconds_of(trial *t) {
    double begin = time_seconds();
    plan_run(t->p, 0);
    return time_seconds() - begin;
}

/* *out: how many times as fast sparse products are. */
static status measure(compress *c, double *out) {
    trial dense = {0}, sparse = {0};
    double ratio[PAIRS];
    status st = trial_open(c, "bf16", &dense);
    if (st == STATUS_OK) st = trial_open(c, "bf16_2of4", &sparse);
    for (int i = -1; i < PAIRS && st == STATUS_OK; i++) { /* the first pair warms up */
        double of_dense = seconds_of(&dense), of_sparse = seconds_of(&sparse);
        if (i >= 0) ratio[i] = of_dense / of_sparse;
    }
    if (st == STATUS_OK) *out = sort_median(ratio, PAIRS);
    trial_close(&dense);
    trial_close(&sparse);
    return st;
}

/* ---- deciding ---- */

/* Why the products cannot be stored so without a loss; NULL: they can. `told`: the container was named. */
static status reason_against(compress *c, bool told, const char **why) {
    bool fits = true, exact = true, along = true;
    for (int64_t i = 0; i < c->n_products && fits; i++) {
        const product *p = &c->products[i];
        exact &= !strcmp(p->w->t.format->name, "bf16");
        along &= p->k % num_find("bf16_2of4")->block_elems == 0;
        if (along) TRY(check_product(c, p, &fits));
    }
    *why = c->def->in_by_out ? "readers of sparse-24 leave out layers as this type has them"
           : !along          ? "rows of a matrix are not whole 32s along its inputs"
           : !fits           ? "what came after the pruning filled zeros again"
           : !exact && !told ? "its values are not bf16, to which --container sparse-24 rounds"
                             : NULL;
    return STATUS_OK;
}

status twofour_decide(compress *c, compress_options *o, compress_result *r) {
    const char *why;
    double faster = 0;
    bool told = o->container == CONTAINER_SPARSE24;
    if (!told && (o->container != CONTAINER_AUTO || o->repeats)) return STATUS_OK;
    if (!(c->facts & COMPRESS_TWO_FOUR) || c->facts & COMPRESS_CODED || !c->n_products)
        return STATUS_OK;
    TRY(reason_against(c, told, &why));
    if (why && told) FAIL(c->cx, STATUS_UNSUPPORTED, "--container sparse-24: %s", why);
    if (!why) TRY(measure(c, &faster));
    if (!told) o->container = why || faster <= 1 ? CONTAINER_VALUES : CONTAINER_SPARSE24;
    bool sparse = o->container == CONTAINER_SPARSE24;
    if (why)
        snprintf(r->note, sizeof r->note, "2:4 is stored densely: %s", why);
    else
        snprintf(r->note, sizeof r->note,
                 "2:4 is stored %s: its products decode %.2f times as fast as dense ones here",
                 sparse ? "sparsely" : "densely", faster);
    for (int64_t i = 0; i < c->n_products && sparse; i++)
        TRY(pack_weight(c, c->products[i].w, num_find("bf16_2of4"), NULL));
    return STATUS_OK;
}
