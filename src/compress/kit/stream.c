#include "compress/kit/stream.h"
#include "compress/kit/foresee.h"
#include "compress/kit/gram.h"
#include "compress/kit/stage.h"
#include <math.h>
#include <string.h>

enum { ROWS_AT_ONCE = 512 };

typedef struct stream {
    compress *c;
    int64_t at_once; /* sequences in a run */
    float *rows;     /* [sequences, length, hidden] */
    int32_t *positions, *offsets, *targets;
    bool gram;
    input_stats *stats; /* by input */
    gram_adder *adders; /* by input; those that another of the layer can use, too, are only there */
    arena mem, layer_mem;
    double turned; /* of the layer, summed over rows */
    double loss;
    int64_t losses;
} stream;

static int64_t rows_bytes(const stream *s) {
    return s->c->text.sequences * s->c->text.length * s->c->config.hidden *
           (int64_t)sizeof *s->rows;
}

static status open_stream(compress *c, stream *s) {
    const calibration *t = &c->text;
    *s = (stream){.c = c, .mem = arena_make(c->cx), .layer_mem = arena_make(c->cx)};
    s->at_once = MIN_OF(MAX_OF(ROWS_AT_ONCE / t->length, 1), t->sequences);
    s->rows = context_alloc(c->cx, (size_t)rows_bytes(s));
    s->positions = ARENA_NEW(&s->mem, int32_t, s->at_once * t->length);
    s->targets = ARENA_NEW(&s->mem, int32_t, s->at_once * t->length);
    s->offsets = ARENA_NEW(&s->mem, int32_t, s->at_once + 1);
    s->stats = ARENA_NEW(&s->mem, input_stats, c->n_inputs + 1);
    s->adders = ARENA_NEW(&s->mem, gram_adder, c->n_inputs + 1);
    if (!s->rows || !s->positions || !s->targets || !s->offsets || !s->stats || !s->adders)
        return STATUS_NO_MEMORY;
    if (c->foresees) foresee_hold(c, rows_bytes(s));
    for (int64_t i = 0; i < s->at_once * t->length; i++) s->positions[i] = (int32_t)(i % t->length);
    for (int64_t i = 0; i <= s->at_once; i++) s->offsets[i] = (int32_t)(i * t->length);
    return STATUS_OK;
}

static void close_stream(stream *s) {
    if (s->c->foresees) foresee_hold(s->c, -rows_bytes(s));
    context_release(s->c->cx, s->rows);
    arena_free(&s->layer_mem);
    arena_free(&s->mem);
}

/* ---- statistics ---- */

/* In a dry run, of inputs that are 1 everywhere. */
static status begin_stats(stream *s, int64_t layer) {
    compress *c = s->c;
    arena_reset(&s->layer_mem);
    s->turned = 0;
    for (int64_t i = 0; i < c->n_inputs; i++) {
        int64_t k = c->inputs[i].k;
        input_stats *to = &s->stats[i];
        if (c->inputs[i].layer != layer) continue;
        *to = (input_stats){.sum_abs = ARENA_NEW(&s->layer_mem, double, k),
                            .sum_sq = ARENA_NEW(&s->layer_mem, double, k),
                            .max_abs = ARENA_NEW(&s->layer_mem, float, k)};
        if (!to->sum_abs || !to->sum_sq || !to->max_abs) return STATUS_NO_MEMORY;
        to->summed = s->gram;
        if (c->foresees) {
            to->rows = c->text.sequences * c->text.length;
            for (int64_t j = 0; j < k; j++) {
                to->sum_abs[j] = to->sum_sq[j] = (double)to->rows;
                to->max_abs[j] = 1;
            }
            foresee_hold(c, k * 20 + (s->gram ? gram_cells(k) * 4 : 0));
        } else if (s->gram) {
            to->gram = context_zalloc(c->cx, (size_t)gram_cells(k) * sizeof *to->gram);
            if (!to->gram) return STATUS_NO_MEMORY;
        }
    }
    return STATUS_OK;
}

static void drop_gram(compress *c, input_stats *of, int64_t k) {
    if (c->foresees && of->summed) foresee_hold(c, -gram_cells(k) * 4);
    context_release(c->cx, of->gram);
    of->gram = NULL;
    of->summed = false;
}

void stream_drop_gram(compress *c, const stream_layer *l, int32_t input) {
    drop_gram(c, &l->stats[input], c->inputs[input].k);
}

/* Also where the layer was given up. */
static void end_stats(stream *s, int64_t layer) {
    compress *c = s->c;
    for (int64_t i = 0; i < c->n_inputs; i++) {
        if (c->inputs[i].layer != layer || !s->stats[i].sum_abs) continue;
        if (c->foresees) foresee_hold(c, -c->inputs[i].k * 20);
        drop_gram(c, &s->stats[i], c->inputs[i].k);
        s->stats[i] = (input_stats){0};
    }
}

VECTOR_CLONES
static void add_rows(input_stats *to, const float *rows, int64_t n, int64_t k) {
    for (int64_t r = 0; r < n; r++, rows += k)
        for (int64_t j = 0; j < k; j++) {
            float x = fabsf(rows[j]);
            to->sum_abs[j] += (double)x;
            to->sum_sq[j] += (double)x * (double)x;
            to->max_abs[j] = MAX_OF(to->max_abs[j], x);
        }
    to->rows += n;
}

/* The one that sums for an input: the first of the layer with as many columns. */
static gram_adder *adder_of(const stream *s, int64_t input) {
    const product_input *in = s->c->inputs, *of = &in[input];
    int64_t i = 0;
    while (in[i].layer != of->layer || in[i].k != of->k) i++;
    return &s->adders[i];
}

static status open_adders(stream *s, int64_t layer) {
    const compress *c = s->c;
    for (int64_t i = 0; i < c->n_inputs; i++)
        if (c->inputs[i].layer == layer && adder_of(s, i) == &s->adders[i])
            TRY(gram_open(s->c, c->inputs[i].k, s->at_once * c->text.length, &s->adders[i]));
    return STATUS_OK;
}

static void close_adders(stream *s) {
    for (int64_t i = 0; i < s->c->n_inputs; i++) gram_close(&s->adders[i]);
}

static status add_stats(stream *s, const stage *g, int64_t layer, int64_t tokens) {
    compress *c = s->c;
    for (int64_t i = 0; i < c->n_inputs; i++) {
        const product_input *in = &c->inputs[i];
        input_stats *to = &s->stats[i];
        if (in->layer != layer) continue;
        const float *rows = stage_rows(g, (int32_t)i);
        add_rows(to, rows, tokens, in->k);
        if (to->gram) TRY(gram_add(adder_of(s, i), rows, tokens, to->gram));
    }
    return STATUS_OK;
}

static double cosine(const float *x, const float *y, int64_t n) {
    double xy = 0, xx = 0, yy = 0;
    for (int64_t i = 0; i < n; i++) {
        xy += (double)x[i] * (double)y[i];
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 1;
}

static void add_turned(stream *s, const float *in, const float *out, int64_t tokens) {
    int64_t n = s->c->config.hidden;
    for (int64_t r = 0; r < tokens; r++) s->turned += 1 - cosine(in + r * n, out + r * n, n);
}

/* ---- passes ---- */

static void set_targets(stream *s, int64_t from, int64_t sequences) {
    const calibration *t = &s->c->text;
    for (int64_t q = 0; q < sequences; q++)
        for (int64_t i = 0; i < t->length; i++)
            s->targets[q * t->length + i] =
                i + 1 < t->length ? t->ids[(from + q) * t->length + i + 1] : -1;
}

static void add_losses(stream *s, const float *each, int64_t tokens) {
    for (int64_t i = 0; i < tokens; i++) {
        if (s->targets[i] < 0) continue;
        s->loss += (double)each[i];
        s->losses++;
    }
}

static status foresee_runs(stream *s, stage *g, const stage_options *o, int64_t sequences,
                           double times) {
    const compress *c = s->c;
    int64_t tokens = sequences * c->text.length;
    if (!sequences || !times) return STATUS_OK;
    TRY(stage_foresee(g, tokens, sequences, times));
    if (!o->capture || !s->gram) return STATUS_OK;
    for (int64_t i = 0; i < c->n_inputs; i++)
        if (c->inputs[i].layer == o->which) TRY(gram_foresee(adder_of(s, i), tokens, times));
    return STATUS_OK;
}

/* A dry run's: whole runs, and the one that is left. */
static status foresee_pass(stream *s, stage *g, const stage_options *o) {
    const calibration *t = &s->c->text;
    TRY(foresee_runs(s, g, o, s->at_once, (double)(t->sequences / s->at_once)));
    return foresee_runs(s, g, o, t->sequences % s->at_once, 1);
}

/* One stage over all sequences. With `stats` its products' rows are counted; with `keep` what it makes takes the place
 * of the rows. */
static status pass(stream *s, const stage_options *o, bool keep) {
    compress *c = s->c;
    const calibration *t = &c->text;
    stage g;
    stage_options bounds = *o;
    bounds.tokens = s->at_once * t->length;
    bounds.sequences = s->at_once;
    TRY(stage_open(c, &bounds, &g));
    status st = o->capture && s->gram ? open_adders(s, o->which) : STATUS_OK;
    if (st == STATUS_OK && c->foresees) st = foresee_pass(s, &g, o);
    for (int64_t q = 0; q < t->sequences && st == STATUS_OK && !c->foresees; q += s->at_once) {
        int64_t n = MIN_OF(s->at_once, t->sequences - q), tokens = n * t->length;
        float *rows = s->rows + q * t->length * c->config.hidden;
        const float *out;
        if (o->which == STAGE_AFTER) set_targets(s, q, n);
        stage_batch b = {.ids = t->ids + q * t->length,
                         .targets = s->targets,
                         .positions = s->positions,
                         .offsets = s->offsets,
                         .tokens = tokens,
                         .sequences = n,
                         .rows = rows};
        st = stage_run(&g, &b, &out);
        if (st != STATUS_OK) break;
        if (o->capture) {
            st = add_stats(s, &g, o->which, tokens);
            if (st != STATUS_OK) break;
            add_turned(s, rows, out, tokens);
        }
        if (o->which == STAGE_AFTER) add_losses(s, out, tokens);
        if (keep) memcpy(rows, out, (size_t)(tokens * c->config.hidden) * sizeof *rows);
    }
    close_adders(s);
    stage_close(&g);
    return st;
}

static status visit(stream *s, const stream_options *o, int64_t layer) {
    compress *c = s->c;
    arena mem = arena_make(c->cx);
    const calibration *t = &c->text;
    stream_layer l = {.layer = layer,
                      .stats = s->stats,
                      .turned = s->turned / (double)(t->sequences * t->length),
                      .mem = &mem};
    for (int64_t i = 0; i < c->n_products; i++) {
        if (c->products[i].layer != layer) continue;
        if (!l.n_products++) l.products = &c->products[i];
    }
    status st = o->visit(c, &l, o->user);
    arena_free(&mem);
    return st == STATUS_OK ? st : context_note(c->cx, st, "layer %lld", (long long)layer);
}

static status run(stream *s, const stream_options *o) {
    compress *c = s->c;
    s->gram = o->gram;
    TRY(pass(s, &(stage_options){.which = STAGE_BEFORE}, true));
    for (int64_t layer = 0; layer < c->config.layers; layer++) {
        bool last = layer + 1 == c->config.layers;
        stage_options looks = {.which = layer, .capture = true};
        progress_show(&c->progress, layer, NULL);
        status st = begin_stats(s, layer);
        if (st == STATUS_OK) st = pass(s, &looks, o->only_looks);
        if (st == STATUS_OK) st = visit(s, o, layer);
        end_stats(s, layer);
        TRY(st);
        if (!last && !o->only_looks) TRY(pass(s, &(stage_options){.which = layer}, true));
    }
    return STATUS_OK;
}

status stream_run(compress *c, const stream_options *o) {
    stream s;
    status st = open_stream(c, &s);
    if (st == STATUS_OK) st = run(&s, o);
    close_stream(&s);
    return st;
}

status stream_loss(compress *c, double *out) {
    stream s;
    status st = open_stream(c, &s);
    if (st == STATUS_OK) st = pass(&s, &(stage_options){.which = STAGE_BEFORE}, true);
    for (int64_t i = 0; i < c->config.layers && st == STATUS_OK; i++)
        st = pass(&s, &(stage_options){.which = i}, true);
    if (st == STATUS_OK) st = pass(&s, &(stage_options){.which = STAGE_AFTER}, false);
    *out = s.losses ? s.loss / (double)s.losses : 0;
    close_stream(&s);
    return st;
}
