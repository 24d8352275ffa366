/* Outliers as large models have them, for trials: some channels of the norms' gains become `by` times as large, and
 * what reads them is divided. The model computes the same, but its activations are hard to round. */
#include "base/rng.h"
#include "compress/kit/fold.h"

typedef struct outlier_options {
    double share, by;
} outlier_options;

static const option_def options[] = {OPTION(outlier_options, share, OPTION_DOUBLE,
                                            .initial = "0.01", RANGE_ABOVE(0, 1),
                                            .help = "of the channels"),
                                     OPTION(outlier_options, by, OPTION_DOUBLE, .initial = "100",
                                            RANGE_ABOVE(0, 1e6), .help = "how much larger"),
                                     {0}};

static status check(compress *c, const void *options_) {
    (void)options_;
    for (int64_t i = 0; i < c->n_inputs; i++)
        if (c->inputs[i].fold == FOLD_NORM) return STATUS_OK;
    FAIL(c->cx, STATUS_UNSUPPORTED, "no norm of a %s is read by products alone",
         c->config.model_type);
}

static status apply(compress *c, const void *options_) {
    const outlier_options *o = options_;
    for (int32_t i = 0; i < c->n_inputs; i++) {
        const product_input *in = &c->inputs[i];
        if (in->fold != FOLD_NORM) continue;
        float *s = context_alloc(c->cx, (size_t)in->k * sizeof *s);
        if (!s) return STATUS_NO_MEMORY;
        rng draw = rng_make(c->seed, rng_stream(in->gain->name));
        int64_t count = (int64_t)(o->share * (double)in->k) + 1;
        for (int64_t j = 0; j < in->k; j++) s[j] = 1;
        for (int64_t j = 0; j < count; j++)
            s[rng_below(&draw, (uint64_t)in->k)] = (float)(1 / o->by);
        status st = fold_scales(c, i, s);
        context_release(c->cx, s);
        TRY(st);
    }
    return STATUS_OK;
}

extern const compress_method compress_outlier;
const compress_method compress_outlier = {
    .name = "outlier",
    .help = "larger activations in some channels, and the same outputs",
    .options = options,
    .options_bytes = sizeof(outlier_options),
    .forbids = COMPRESS_CODED,
    .ensures = COMPRESS_FOLDED,
    .check = check,
    .apply = apply,
};
