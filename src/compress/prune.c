/* Weights set to 0, those that matter least:
 *
 *   magnitude   |w_ij|
 *   wanda       |w_ij| sqrt(sum of x_j^2) (Sun et al., "A Simple and Effective Pruning Approach for LLMs", 2024)
 *   sparsegpt   w_ij^2 / U_jj^2, the rest making up for what is lost, along the inverse Hessian as in compress/gptq.c
 *               (Frantar and Alistarh, "SparseGPT", 2023); masks are chosen for 128 columns at a time
 *
 * A pattern is a share, "0.5", or N:M, where N of every M in a row stay, "2:4". What a share is one of, is the group
 * whose weights are compared: by magnitude the matrix, by wanda the row, which that paper finds best for large language
 * models (section 5; for images the matrix does as well), by sparsegpt all rows in each 128 columns. `per` says
 * otherwise of the first two. N:M compares rows within themselves whatever the choice. */
#include "compress/kit/foresee.h"
#include "compress/kit/hessian.h"
#include "compress/kit/sparse.h"
#include "compress/kit/stream.h"
#include <math.h>

typedef enum prune_by { BY_MAGNITUDE, BY_WANDA, BY_SPARSEGPT } prune_by;
static const char *const choices[] = {"magnitude", "wanda", "sparsegpt", NULL};

typedef enum prune_per { PER_USUAL, PER_ROW, PER_MATRIX } prune_per;
static const char *const groups[] = {"usual", "row", "matrix", NULL};

typedef struct prune_options {
    const char *pattern;
    int by, per;
    double damp;
} prune_options;

static const option_def options[] = {
    OPTION(prune_options, pattern, OPTION_STRING, .initial = "0.5", .value = "P",
           .help = "share that goes, or N:M, N of every M that stay"),
    OPTION(prune_options, by, OPTION_CHOICE, .choices = choices, .initial = "wanda",
           .help = "what matters least"),
    OPTION(prune_options, per, OPTION_CHOICE, .choices = groups,
           .help = "what a share is one of: each row or matrix; usual: the row by wanda, else the "
                   "matrix"),
    OPTION(prune_options, damp, OPTION_DOUBLE, .initial = "0.01", RANGE_ABOVE(0, 1),
           .help = "sparsegpt: added to the diagonal, as a share of its mean"),
    {0}};

static status read_pattern(compress *c, const prune_options *o, sparse_pattern *out) {
    TRY(sparse_pattern_read(c->cx, o->pattern, out));
    if (o->per != PER_USUAL && out->of)
        FAIL(c->cx, STATUS_BAD_ARGUMENT, "%s compares within a row: per= is for shares", o->pattern);
    if (o->per != PER_USUAL && o->by == BY_SPARSEGPT)
        FAIL(c->cx, STATUS_BAD_ARGUMENT,
             "sparsegpt compares all rows in each 128 columns: per= is for magnitude and wanda");
    out->of_all = o->per == PER_USUAL ? o->by != BY_WANDA : o->per == PER_MATRIX;
    return STATUS_OK;
}

static status check(compress *c, const void *options_) {
    const prune_options *o = options_;
    sparse_pattern p;
    TRY(read_pattern(c, o, &p));
    if (c->experts)
        FAIL(c->cx, STATUS_UNSUPPORTED, "the experts of a %s are no plain products",
             c->config.model_type);
    for (int64_t i = 0; i < c->n_products && p.of; i++)
        if (c->products[i].k % p.of)
            FAIL(c->cx, STATUS_UNSUPPORTED, "rows of '%s' have %lld values, no groups of %lld",
                 c->products[i].w->name, (long long)c->products[i].k, (long long)p.of);
    if (p.keep == 2 && p.of == 4) c->facts |= COMPRESS_TWO_FOUR;
    if (o->by != BY_MAGNITUDE && !c->text.ids)
        FAIL(c->cx, STATUS_BAD_ARGUMENT, "%s looks at activations: give a text by --calib",
             choices[o->by]);
    return STATUS_OK;
}

static status prune_product(compress *c, const product *p, const prune_options *o,
                            const input_stats *x, const hessian *h);

typedef struct prune_how {
    const prune_options *o;
    const input_stats *x;
    bool along;
} prune_how;

static status prune_sample(compress *c, const product *p, const void *user) {
    const prune_how *how = user;
    hessian h = {0};
    if (how->along) TRY(hessian_stand_in(c, p->k, &h));
    status st = prune_product(c, p, how->o, how->x, how->along ? &h : NULL);
    hessian_free(c, &h);
    return st;
}

static status foresee_prune(compress *c, const product *p, const prune_how *how) {
    sparse_pattern pattern;
    TRY(read_pattern(c, how->o, &pattern));
    p->w->held = true;
    int64_t space = sparse_bytes(c, p->n, p->k, &pattern, how->along);
    foresee_memory(c, (p->n + 1) * p->k * 4 + MAX_OF(space, tensor_bytes(&p->w->t)));
    TRY(foresee_solve(c, p, how->along ? sparse_flops(p->n, p->k, &pattern) : 0, prune_sample,
                      how));
    return weights_set_values(c, p->w, NULL);
}

static status prune_product(compress *c, const product *p, const prune_options *o,
                            const input_stats *x, const hessian *h) {
    sparse_pattern pattern;
    if (c->foresees) return foresee_prune(c, p, &(prune_how){o, x, h});
    TRY(read_pattern(c, o, &pattern));
    float *values = context_alloc(c->cx, (size_t)(p->n * p->k) * sizeof *values);
    float *weigh = context_alloc(c->cx, (size_t)p->k * sizeof *weigh);
    status st = values && weigh ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) weights_values(p->w, values);
    for (int64_t j = 0; st == STATUS_OK && j < p->k; j++)
        weigh[j] = o->by == BY_WANDA ? (float)sqrt(x->sum_sq[j]) : 1;
    if (st == STATUS_OK)
        st = h ? sparse_along(c, values, p->n, h, &pattern)
               : sparse_mask(c, values, p->n, p->k, weigh, &pattern);
    if (st == STATUS_OK) st = weights_set_values(c, p->w, values);
    context_release(c->cx, weigh);
    context_release(c->cx, values);
    return st;
}

static status visit(compress *c, const stream_layer *l, void *user) {
    const prune_options *o = user;
    for (int32_t i = 0; i < c->n_inputs; i++) {
        hessian h = {0};
        if (c->inputs[i].layer != l->layer) continue;
        bool along = o->by == BY_SPARSEGPT;
        if (along) TRY(hessian_make(c, l->stats[i].gram, c->inputs[i].k, o->damp, false, &h));
        status st = STATUS_OK;
        stream_drop_gram(c, l, i);
        for (int64_t p = 0; p < l->n_products && st == STATUS_OK; p++)
            if (l->products[p].input == i)
                st = prune_product(c, &l->products[p], o, &l->stats[i], along ? &h : NULL);
        hessian_free(c, &h);
        TRY(st);
    }
    return STATUS_OK;
}

static status apply(compress *c, const void *options_) {
    const prune_options *o = options_;
    if (o->by != BY_MAGNITUDE)
        return stream_run(c, &(stream_options){.gram = o->by == BY_SPARSEGPT,
                                               .visit = visit,
                                               .user = (void *)(uintptr_t)options_});
    for (int64_t i = 0; i < c->n_products; i++) {
        progress_show(&c->progress, c->products[i].layer, NULL);
        TRY(prune_product(c, &c->products[i], o, NULL, NULL));
    }
    return STATUS_OK;
}

extern const compress_method compress_prune;
const compress_method compress_prune = {
    .name = "prune",
    .help = "weights to 0 by magnitude, Wanda or SparseGPT; a share, 2:4 or N:M",
    .options = options,
    .options_bytes = sizeof(prune_options),
    .forbids = COMPRESS_CODED,
    .ensures = COMPRESS_SPARSE,
    .check = check,
    .apply = apply,
};
