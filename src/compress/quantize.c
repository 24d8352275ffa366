/* The formats of GGUF and NF4 for all matrices of a model, embedding and output included, and the mixtures that treat
 * some matrices better (model/kit/mixture.h). With a calibration text the errors of a column count as its inputs' mean
 * squares say (llama.cpp's importance matrix):
 *
 *   weight of w_ij = mean(x_j^2) sqrt(2 mean(w^2) + w_ij^2), the mean over a stretch of 256 of the row */
#include "compress/kit/stream.h"
#include "model/kit/mixture.h"
#include <math.h>
#include <string.h>

typedef struct quantize_options {
    const char *format;
    bool imatrix;
} quantize_options;

static const option_def options[] = {
    OPTION(quantize_options, format, OPTION_STRING, .value = "F", .initial = "q4_k_m",
           .help = "q4_0, q4_k, q6_k and every other format of GGUF, the mixtures q4_k_m and "
                   "q5_k_m, or nf4"),
    OPTION(quantize_options, imatrix, OPTION_BOOL, .initial = "true",
           .help = "weigh errors by activations, where there is a calibration text"),
    {0}};

static const num_format *format_of(const compress *c, const quantize_options *o, const weight *w) {
    const model_config *m = &c->config;
    return mixture_format(o->format, w->name, w->t.dim[w->t.rank - 1], m->layers, m->tied);
}

static status check(compress *c, const void *options_) {
    const quantize_options *o = options_;
    if (!mixture_knows(o->format))
        FAIL(c->cx, STATUS_BAD_ARGUMENT, "there is no format '%s'", o->format);
    if (c->n_products && c->products[0].across)
        FAIL(c->cx, STATUS_UNSUPPORTED,
             "'%s' lies [inputs, outputs], as models of type %s have it: hone convert turns it",
             c->products[0].w->name, c->config.model_type);
    for (int64_t i = 0; i < c->n_weights; i++) {
        const weight *w = &c->weights[i];
        const num_format *f = w->t.rank < 2 ? NULL : format_of(c, o, w);
        if (w->t.rank >= 2 && !f)
            FAIL(c->cx, STATUS_UNSUPPORTED, "'%s': rows of %lld are no blocks of %s", w->name,
                 (long long)w->t.dim[w->t.rank - 1], o->format);
        if (f && f->kind == NUM_BLOCK) c->coded = f;
    }
    return STATUS_OK;
}

/* ---- importance ---- */

typedef struct importance {
    const float **of; /* by number of input: mean squares */
} importance;

static status keep_squares(compress *c, const stream_layer *l, void *user) {
    importance *to = user;
    for (int64_t i = 0; i < c->n_inputs; i++) {
        const product_input *in = &c->inputs[i];
        if (in->layer != l->layer) continue;
        float *mean = ARENA_NEW(c->memory, float, in->k);
        if (!mean) return STATUS_NO_MEMORY;
        for (int64_t k = 0; k < in->k; k++)
            mean[k] = (float)(l->stats[i].sum_sq[k] / (double)l->stats[i].rows);
        to->of[i] = mean;
    }
    return STATUS_OK;
}

static const float *importance_of(const compress *c, const importance *from, const weight *w) {
    for (int64_t i = 0; from && i < c->n_products; i++)
        if (c->products[i].w == w) return from->of[c->products[i].input];
    return NULL;
}

/* ---- rows ---- */

typedef struct packing {
    const weight *w;
    const num_format *f;
    const float *importance; /* of each column; NULL: none */
    char *out;
    float *space; /* [threads, 2, columns] */
} packing;

static void weigh(const float *x, const float *importance, int64_t n, float *out) {
    enum { STRETCH = 256 };
    for (int64_t from = 0; from < n; from += STRETCH) {
        int64_t to = MIN_OF(from + STRETCH, n);
        float sum = 0;
        for (int64_t i = from; i < to; i++) sum += x[i] * x[i];
        sum *= 2.0f / (float)(to - from);
        for (int64_t i = from; i < to; i++) out[i] = importance[i] * sqrtf(sum + x[i] * x[i]);
    }
}

static void pack_rows(void *arg, int64_t from, int64_t to, int thread) {
    const packing *p = arg;
    int64_t columns = p->w->t.dim[p->w->t.rank - 1], bytes = num_row_bytes(p->f, columns);
    float *x = p->space + 2 * columns * thread, *weights = x + columns;
    for (int64_t r = from; r < to; r++) {
        weights_rows(p->w, r, r + 1, x);
        if (p->importance && p->f->pack_weighted) {
            weigh(x, p->importance, columns, weights);
            p->f->pack_weighted(x, weights, columns, p->out + r * bytes);
        } else {
            p->f->pack(x, columns, p->out + r * bytes);
        }
    }
}

static status pack_weight(compress *c, weight *w, const num_format *f, const float *importance) {
    tensor_rows rows = tensor_rows_of(&w->t);
    int64_t bytes = rows.count * num_row_bytes(f, rows.elems);
    packing p = {.w = w, .f = f, .importance = importance};
    p.out = context_alloc(c->cx, (size_t)MAX_OF(bytes, 1));
    p.space = context_alloc(c->cx, (size_t)(2 * rows.elems * pool_threads(c->workers)) * 4);
    if (!p.out || !p.space) {
        context_release(c->cx, p.out);
        context_release(c->cx, p.space);
        return STATUS_NO_MEMORY;
    }
    pool_run(c->workers, pack_rows, &p, rows.count);
    context_release(c->cx, p.space);
    weights_replace(c, w, f, p.out);
    return STATUS_OK;
}

static status apply(compress *c, const void *options_) {
    const quantize_options *o = options_;
    importance found = {.of = ARENA_NEW(c->memory, const float *, c->n_inputs + 1)};
    if (!found.of) return STATUS_NO_MEMORY;
    bool weighs = o->imatrix && c->text.ids;
    if (weighs)
        TRY(stream_run(
            c, &(stream_options){.only_looks = true, .visit = keep_squares, .user = &found}));
    for (int64_t i = 0; i < c->n_weights; i++) {
        weight *w = &c->weights[i];
        const num_format *f = w->t.rank < 2 ? NULL : format_of(c, o, w);
        if (f) TRY(pack_weight(c, w, f, importance_of(c, weighs ? &found : NULL, w)));
    }
    return STATUS_OK;
}

extern const compress_method compress_quantize;
const compress_method compress_quantize = {
    .name = "quantize",
    .help = "GGUF's formats, by importance where there is a text; nf4",
    .options = options,
    .options_bytes = sizeof(quantize_options),
    .forbids = COMPRESS_CODED,
    .ensures = COMPRESS_CODED,
    .check = check,
    .apply = apply,
};
