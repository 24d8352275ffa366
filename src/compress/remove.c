/* Structured removal: whole layers, heads and neurons go, so that the model is smaller for every engine.
 *
 *   neurons  those go whose outputs matter least to the product that reads them: |x_j| |w_j| over the calibration text,
 *            with x_j the neuron's output and w_j the column that it meets (Wanda's measure, Sun et al. 2023)
 *   heads    the same, summed over a head's columns; a head of keys and values goes with the queries that read it
 *   layers   those go that turn their rows least, 1 - cos(rows in, rows out) (ShortGPT, Men et al. 2024); the first and
 *            the last stay where others can go
 *
 * Each layer keeps as many heads and neurons as every other: the configuration has one number for them. */
#include "compress/kit/shrink.h"
#include "compress/kit/stream.h"
#include <math.h>
#include <stdlib.h>

enum { NEURONS_MULTIPLE = 32 };

typedef struct remove_options {
    int64_t layers;
    double heads, neurons;
} remove_options;

static const option_def options[] = {
    OPTION(remove_options, layers, OPTION_INT, .initial = "0", RANGE(0, 512),
           .help = "layers that go"),
    OPTION(remove_options, heads, OPTION_DOUBLE, .initial = "0", RANGE(0, 0.95),
           .help = "share of the heads that go"),
    OPTION(remove_options, neurons, OPTION_DOUBLE, .initial = "0", RANGE(0, 0.95),
           .help = "share of the neurons that go; a multiple of 32 stays"),
    {0}};

static shrink counts_of(const compress *c, const remove_options *o) {
    const model_config *m = &c->config;
    double neurons = (1 - o->neurons) * (double)m->intermediate / NEURONS_MULTIPLE;
    int64_t heads = llround((1 - o->heads) * (double)m->kv_heads);
    int64_t whole = MAX_OF(1, llround(neurons)) * NEURONS_MULTIPLE;
    return (shrink){.layers = m->layers - o->layers,
                    .heads = MAX_OF(1, heads),
                    .neurons = o->neurons > 0 ? MIN_OF(whole, m->intermediate) : m->intermediate};
}

static status check(compress *c, const void *options_) {
    const remove_options *o = options_;
    shrink s = counts_of(c, o);
    const model_config *m = &c->config;
    if (s.layers < 1)
        FAIL(c->cx, STATUS_BAD_ARGUMENT, "layers=%lld of %lld: one at least must stay",
             (long long)o->layers, (long long)m->layers);
    if (s.layers == m->layers && s.heads == m->kv_heads && s.neurons == m->intermediate)
        FAIL(c->cx, STATUS_BAD_ARGUMENT,
             "nothing goes: the model has %lld layers, %lld heads of keys and %lld neurons",
             (long long)m->layers, (long long)m->kv_heads, (long long)m->intermediate);
    return shrink_check(c, &s);
}

/* ---- what matters ---- */

typedef struct scores {
    const shrink_axis *inputs; /* by product */
    double *turned;            /* [layers] */
    double **heads, **neurons; /* by layer */
} scores;

/* Of input column j of the product: the energy that it brings to the outputs. */
static status add_energy(compress *c, const product *p, const input_stats *s, int64_t each,
                         double *out) {
    float *w = context_alloc(c->cx, (size_t)(p->n * p->k) * sizeof *w);
    if (!w) return STATUS_NO_MEMORY;
    weights_values(p->w, w);
    for (int64_t j = 0; j < p->k; j++) {
        double column = 0;
        for (int64_t r = 0; r < p->n; r++)
            column += (double)w[r * p->k + j] * (double)w[r * p->k + j];
        out[j / each] += column * s->sum_sq[j];
    }
    context_release(c->cx, w);
    return STATUS_OK;
}

static status visit(compress *c, const stream_layer *l, void *user) {
    scores *s = user;
    const model_config *m = &c->config;
    if (c->foresees) return STATUS_OK; /* which of them go is the same for what it takes */
    s->turned[l->layer] = l->turned;
    for (int64_t i = 0; i < l->n_products; i++) {
        const product *p = &l->products[i];
        shrink_axis inputs = s->inputs[p - c->products];
        const input_stats *stats = &l->stats[p->input];
        if (inputs == AXIS_QUERIES)
            TRY(add_energy(c, p, stats, p->k / m->kv_heads, s->heads[l->layer]));
        if (inputs == AXIS_NEURONS) TRY(add_energy(c, p, stats, 1, s->neurons[l->layer]));
    }
    return STATUS_OK;
}

static status make_room(compress *c, const shrink *counts, scores *s) {
    const model_config *m = &c->config;
    shrink_axis *inputs = ARENA_NEW(c->memory, shrink_axis, c->n_products + 1);
    if (!inputs) return STATUS_NO_MEMORY;
    TRY(shrink_inputs(c, counts, inputs));
    s->inputs = inputs;
    s->turned = ARENA_NEW(c->memory, double, m->layers);
    s->heads = ARENA_NEW(c->memory, double *, m->layers);
    s->neurons = ARENA_NEW(c->memory, double *, m->layers);
    if (!s->turned || !s->heads || !s->neurons) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < m->layers; i++) {
        s->heads[i] = ARENA_NEW(c->memory, double, m->kv_heads);
        s->neurons[i] = ARENA_NEW(c->memory, double, m->intermediate);
        if (!s->heads[i] || !s->neurons[i]) return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

/* ---- who stays ---- */

typedef struct ranked {
    double score;
    int64_t index;
} ranked;

static int by_score(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static int by_index(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The `stay` best of n, in rising order. */
static const int64_t *best(arena *mem, const double *score, int64_t n, int64_t stay) {
    ranked *all = ARENA_NEW(mem, ranked, n + 1);
    int64_t *out = ARENA_NEW(mem, int64_t, stay + 1);
    if (!all || !out) return NULL;
    for (int64_t i = 0; i < n; i++) all[i] = (ranked){score[i], i};
    qsort(all, (size_t)n, sizeof *all, by_score);
    for (int64_t i = 0; i < stay; i++) out[i] = all[i].index;
    qsort(out, (size_t)stay, sizeof *out, by_index);
    return out;
}

static status choose(compress *c, scores *from, shrink *s) {
    const model_config *m = &c->config;
    const int64_t **heads = ARENA_NEW(c->memory, const int64_t *, m->layers);
    const int64_t **neurons = ARENA_NEW(c->memory, const int64_t *, m->layers);
    if (!heads || !neurons) return STATUS_NO_MEMORY;
    if (s->layers >= 2) from->turned[0] = from->turned[m->layers - 1] = INFINITY;
    s->layer = best(c->memory, from->turned, m->layers, s->layers);
    for (int64_t i = 0; i < m->layers; i++) {
        heads[i] = best(c->memory, from->heads[i], m->kv_heads, s->heads);
        neurons[i] = best(c->memory, from->neurons[i], m->intermediate, s->neurons);
        if (!heads[i] || !neurons[i]) return STATUS_NO_MEMORY;
    }
    s->head = heads;
    s->neuron = neurons;
    return s->layer ? STATUS_OK : STATUS_NO_MEMORY;
}

static status apply(compress *c, const void *options_) {
    shrink s = counts_of(c, options_);
    scores all = {0};
    TRY(make_room(c, &s, &all));
    TRY(stream_run(c, &(stream_options){.visit = visit, .user = &all}));
    TRY(choose(c, &all, &s));
    return shrink_apply(c, &s);
}

extern const compress_method compress_remove;
const compress_method compress_remove = {
    .name = "remove",
    .help = "layers, heads and neurons that matter least go",
    .options = options,
    .options_bytes = sizeof(remove_options),
    .calibrates = true,
    .forbids = COMPRESS_CODED,
    .check = check,
    .apply = apply,
};
