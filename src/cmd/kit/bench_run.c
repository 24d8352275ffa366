/* Running a case: a graph becomes a plan, which runs by turns with its roof and its peer. */
#include "base/sort.h"
#include "base/time.h"
#include "cmd/kit/bench.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_SAMPLES = 41, LEAST_SAMPLES = 7, PATTERN = 1 << 16, DISTINCT_ROWS = 64 };
static const double SPEND_SECONDS = 0.6, SAMPLE_SECONDS = 2e-3;

void bench_case_text(const bench_case *c, char *text, size_t size) {
    if (c->k)
        snprintf(text, size, "%lldx%lldx%lld", (long long)c->m, (long long)c->n, (long long)c->k);
    else if (c->n)
        snprintf(text, size, "%lldx%lld", (long long)c->m, (long long)c->n);
    else
        snprintf(text, size, "%lld", (long long)c->m);
}

const char *bench_case_unit(const bench_case *c) {
    return c->measure || c->roof == ROOF_NONE ? "us" : c->is_bytes ? "GB/s" : "GFLOP/s";
}

/* Numbers near 1, repeating after PATTERN of them and after DISTINCT_ROWS rows: some formats are slow to pack. */
static void fill_floats(const tensor *t, const float *pattern) {
    int64_t columns = t->rank ? t->dim[t->rank - 1] : 1,
            rows = tensor_elems(t) / MAX_OF(1, columns);
    int64_t row_bytes = num_row_bytes(t->format, columns);
    for (int64_t r = 0; r < rows; r++) {
        char *row = (char *)t->data + r * row_bytes;
        if (r >= DISTINCT_ROWS && columns <= PATTERN / 2)
            memcpy(row, row - DISTINCT_ROWS * row_bytes, (size_t)row_bytes);
        else if (columns <= PATTERN / 2)
            t->format->pack(pattern + (r * 61) % (PATTERN / 2), columns, row);
        else if (!t->format->row_head_bytes && t->format->block_elems == 1)
            for (int64_t i = 0; i < columns; i += PATTERN)
                t->format->pack(pattern, MIN_OF(PATTERN, columns - i),
                                row + i * t->format->block_bytes);
    }
}

/* The same where all rows share a scale. */
static status fill_together(context *cx, const tensor *t, const float *pattern) {
    int64_t columns = t->dim[t->rank - 1], rows = tensor_elems(t) / columns;
    float *all = context_alloc(cx, (size_t)(rows * columns) * sizeof *all);
    if (!all) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < rows * columns; i++) all[i] = pattern[i % PATTERN];
    t->format->pack_tensor(all, rows, columns, t->data);
    context_release(cx, all);
    return STATUS_OK;
}

/* "offsets" of one sequence over all rows; positions count up; others are drawn below c->ids_below. */
static void fill_ids(const tensor *t, const char *name, const bench_case *c) {
    int32_t *ids = t->data;
    for (int64_t i = 0; i < tensor_elems(t); i++)
        ids[i] =
            (int32_t)(!strcmp(name, "positions")   ? i
                      : !strcmp(name, "offsets")   ? i * c->m
                      : !strcmp(name, "k_offsets") ? i * c->n
                                                   : (i * 7919 + 13) % MAX_OF(1, c->ids_below));
}

status bench_prepare(plan *p, const bench_case *c) {
    int64_t symbols[MAX_SYMBOLS + 1] = {0};
    float *pattern = context_alloc(p->cx, sizeof(float) * PATTERN);
    if (!pattern) return STATUS_NO_MEMORY;
    sample s = {.state = 1};
    for (int64_t i = 0; i < PATTERN; i++) pattern[i] = (float)sample_real(&s, -1, 1);
    status st = STATUS_OK;
    for (int32_t i = 0; i < p->g->n_nodes && st == STATUS_OK; i++) {
        const node *n = p->g->nodes[i];
        const tensor *t = n->op == &op_state   ? &states_find(p->store, n->name)->t
                          : n->op == &op_input ? plan_tensor(p, (value){i, 0})
                                               : NULL;
        if (!t || !t->data) continue;
        if (t->format->kind == NUM_INDEX)
            fill_ids(t, n->name, c);
        else if (t->format->pack_tensor)
            st = fill_together(p->cx, t, pattern);
        else
            fill_floats(t, pattern);
    }
    context_release(p->cx, pattern);
    TRY(st);
    for (int32_t i = 1; i <= p->g->n_symbols; i++) symbols[i] = p->g->symbols[i].bound;
    TRY(plan_load(p));
    return plan_bind(p, symbols);
}

static double work_of(const plan *p, bool bytes) {
    double total = 0;
    for (int32_t k = p->n_load; k < p->n_steps; k++) {
        cost one = {0};
        if (p->steps[k].skipped || !p->steps[k].node->op->cost) continue;
        p->steps[k].node->op->cost(&p->steps[k].c, &one);
        total += bytes ? one.bytes : one.flops;
    }
    return total;
}

/* Bytes on the bus for a byte counted: lines that are stored and not read by the op are read nevertheless, unless the
 * kernel stores past the caches. */
static double bus_ratio(const plan *p, double counted) {
    double stored = 0;
    for (int32_t k = p->n_load; k < p->n_steps; k++) {
        const kernel_def *kernel = p->steps[k].chosen.kernel;
        bool past = kernel && kernel->past && kernel->past(&p->steps[k].c);
        const tensor *out = p->steps[k].c.out;
        for (int32_t o = 0; o < p->steps[k].c.n_out; o++)
            if (!p->steps[k].node->op->writes[o] && out[o].data &&
                !(past && tensor_bytes(&out[o]) == tensor_bytes(&out[0])))
                stored += (double)tensor_bytes(&out[o]);
    }
    return 1 + stored / counted;
}

/* Seconds for one run, after one that warms the caches. */
static double seconds_of(plan *p, int64_t repeat) {
    plan_run(p, 0);
    double begin = time_seconds();
    for (int64_t i = 0; i < repeat; i++) plan_run(p, (uint64_t)i);
    return (time_seconds() - begin) / (double)repeat;
}

/* Ours stands between two samples of the roof, of which the better counts, all in one step so that
 * the pool's threads are awake. The peer comes when they sleep, and its own sleep when we go on. */
static double sample_between(bench *b, const bench_case *c, const roof_def *def, plan *p,
                             int64_t repeat, double *roof) {
    pool_enter_step(b->workers);
    double before = def ? bench_roof_sample(b, def, b->rounds[c->roof]) : 0;
    double seconds = seconds_of(p, repeat);
    double after = def ? bench_roof_sample(b, def, b->rounds[c->roof]) : 0;
    pool_leave_step(b->workers);
    *roof = fmax(before, after);
    return seconds;
}

static void by_turns(bench *b, const bench_case *c, plan *p, bench_peer *peer, bench_result *out) {
    double value[MOST_SAMPLES], roof[MOST_SAMPLES], share[MOST_SAMPLES];
    double other[MOST_SAMPLES], ratio[MOST_SAMPLES];
    const roof_def *def = c->roof ? bench_roof_best(b, c->roof) : NULL;
    double once = seconds_of(p, 1), work = def ? work_of(p, c->is_bytes) : 0;
    int64_t repeat = MAX_OF(1, (int64_t)(SAMPLE_SECONDS / fmax(once, 1e-9)));
    int64_t samples = (int64_t)(SPEND_SECONDS / (once * (double)(repeat + 1) + 2 * SAMPLE_SECONDS));
    samples = MIN_OF(MAX_OF(samples, LEAST_SAMPLES), MOST_SAMPLES);
    for (int64_t i = 0; i < samples; i++) {
        double seconds = sample_between(b, c, def, p, repeat, &roof[i]);
        value[i] = def ? work / seconds : seconds;
        share[i] = def ? value[i] / roof[i] : 0;
        if (peer) {
            double theirs = bench_peer_sample(peer);
            bench_settle();
            other[i] = work / theirs;
            ratio[i] = theirs / seconds;
        }
    }
    double unit = def ? 1e-9 : 1e6 / (double)MAX_OF(1, c->m);
    out->value = sort_median(value, samples) * unit;
    out->roof = sort_median(roof, samples) * unit;
    out->share = sort_median(share, samples);
    out->most = c->roof == ROOF_COPY ? 1.5 / bus_ratio(p, work) : 1;
    if (peer) {
        out->peer_value = sort_median(other, samples) * unit;
        out->ratio = sort_median(ratio, samples);
    }
}

static status run_planned(bench *b, const bench_case *c, graph *g, states *store, bool peers,
                          bench_result *out) {
    plan *p;
    bench_peer *peer = NULL;
    TRY(plan_new(b->cx, g, store, b->workers, &(plan_options){.isa_limit = ISA_COUNT - 1}, &p));
    status st = bench_prepare(p, c);
    if (st == STATUS_OK && peers) peer = bench_peer_open(b, c, &out->peer);
    if (peer && bench_peer_sample(peer) < 0) {
        out->peer = "none: oneDNN refused";
        bench_peer_close(peer);
        peer = NULL;
    }
    if (st == STATUS_OK) by_turns(b, c, p, peer, out);
    if (peer) bench_peer_close(peer);
    plan_free(p);
    return st;
}

bench_case bench_case_sized(const bench_case *c) {
    bench_case sized = *c;
    if (c->grows) sized.m *= bench_beyond_caches((int64_t)512 << 20);
    return sized;
}

static status run_graph(bench *b, const bench_case *c, bool peers, bench_result *out) {
    graph *g = graph_new(b->cx);
    if (!g) return STATUS_NO_MEMORY;
    c->build(g, c);
    status st = graph_status(g);
    states *store = st == STATUS_OK ? states_new(b->cx) : NULL;
    if (st == STATUS_OK) st = store ? run_planned(b, c, g, store, peers, out) : STATUS_NO_MEMORY;
    if (store) states_free(store);
    graph_free(g);
    return st;
}

status bench_case_run(bench *b, const bench_case *c, bool peers, bench_result *out) {
    *out = (bench_result){0};
    TRY(c->measure ? c->measure(b, c, out) : run_graph(b, c, peers, out));
    if (c->roof) return STATUS_OK;
    out->roof = c->limit_us[b->threads > 1];
    out->share = out->value / out->roof;
    return STATUS_OK;
}
