/* The formats of GGUF and NF4 for all matrices of a model, embedding and output included, and the mixtures that treat
 * some matrices better (model/kit/mixture.h). With a calibration text the errors of a column count as its inputs' mean
 * squares say (kit/pack.h). */
#include "compress/kit/pack.h"
#include "model/kit/mixture.h"

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
    if (!mixture_knows(o->format)) return mixture_unknown(c->cx, o->format);
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

static status apply(compress *c, const void *options_) {
    const quantize_options *o = options_;
    importance found = {0};
    if (o->imatrix && c->text.ids) TRY(importance_measure(c, &found));
    for (int64_t i = 0; i < c->n_weights; i++) {
        weight *w = &c->weights[i];
        const num_format *f = w->t.rank < 2 ? NULL : format_of(c, o, w);
        if (f) TRY(pack_weight(c, w, f, importance_of(c, &found, w)));
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
