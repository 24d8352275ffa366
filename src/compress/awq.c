/* AWQ (Lin et al., "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration", 2024): columns
 * whose inputs are large are made larger before rounding, and the inputs smaller, so that they lose less.
 *
 *   s_j = mean|x_j|^alpha, or that / mean|w_j|^(1 - alpha), divided by sqrt(max s min s);
 *   alpha in 0, 0.05 .. 1 of least
 *   sum over rows w of d^T G d,  d = round(w s) / s - w,  G = sum of x x^T over the calibration tokens
 *
 * on up to 64 rows of each matrix that reads the input; alpha 0 is plain rounding. Scales fold into the norm before, or
 * into the rows of the product before (values into the output's product, up into down). Then all is rounded. */
#include "compress/kit/awq.h"
#include "compress/kit/fold.h"

typedef struct awq_options {
    GRID_MEMBERS;
} awq_options;

static const option_def options[] = {GRID_OPTIONS(awq_options, "128"), {0}};

static grid grid_of(const awq_options *o) {
    return GRID_OF(o);
}

static status check(compress *c, const void *options_) {
    grid g = grid_of(options_);
    return grid_check(c, &g);
}

static status visit(compress *c, const stream_layer *l, void *user) {
    grid g = grid_of(user);
    for (int32_t i = 0; i < c->n_inputs; i++) {
        if (c->inputs[i].layer != l->layer || c->inputs[i].fold == FOLD_NONE) continue;
        float *s = ARENA_NEW(l->mem, float, c->inputs[i].k);
        bool helps;
        if (!s) return STATUS_NO_MEMORY;
        TRY(awq_search(c, i, &l->stats[i], &g, s, &helps));
        if (helps) TRY(fold_scales(c, i, s));
    }
    for (int64_t i = 0; i < l->n_products; i++)
        TRY(grid_round_product(c, &l->products[i], &g, false));
    return STATUS_OK;
}

static status apply(compress *c, const void *options_) {
    return stream_run(
        c, &(stream_options){.gram = true, .visit = visit, .user = (void *)(uintptr_t)options_});
}

extern const compress_method compress_awq;
const compress_method compress_awq = {
    .name = "awq",
    .help = "scales that protect what activations make important (Lin et al. 2024)",
    .options = options,
    .options_bytes = sizeof(awq_options),
    .calibrates = true,
    .forbids = COMPRESS_CODED,
    .ensures = COMPRESS_CODED | COMPRESS_FOLDED,
    .check = check,
    .apply = apply,
};
