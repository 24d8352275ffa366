/* GPTQ (Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2022):
 * columns are rounded one after the other, and what rounding one of them loses is made up for by those to come.
 *
 *   H = X X^T + damp * mean(diag) * 1, over the calibration tokens;  H^-1 = U^T U, U upper triangular
 *   for column i:  q = round(w_i);  e = (w_i - q) / U_ii;  w_j -= e U_ij for j > i
 *
 * which is Optimal Brain Quantization with a fixed order. Rows of the matrix are independent. With `act_order` columns
 * go by falling diag(H), the scales of groups being fitted beforehand; else a group's scale is fitted when its first
 * column comes, to what the columns before have made of it. Columns that no token ever moves have weight 0;
 * what was pruned before stays 0. */
#include "base/log.h"
#include "compress/kit/gptq.h"
#include "compress/kit/stream.h"

typedef struct gptq_options {
    GRID_MEMBERS;
    bool act_order;
    double damp;
} gptq_options;

static const option_def options[] = {
    GRID_OPTIONS(gptq_options, "128"),
    OPTION(gptq_options, act_order, OPTION_BOOL, .help = "columns by falling activation"),
    OPTION(gptq_options, damp, OPTION_DOUBLE, .initial = "0.01", RANGE_ABOVE(0, 1),
           .help = "added to the diagonal, as a share of its mean"),
    {0}};

static status check(compress *c, const void *options_) {
    const gptq_options *o = options_;
    grid g = GRID_OF(o);
    return grid_check(c, &g);
}

static status visit(compress *c, const stream_layer *l, void *user) {
    const gptq_options *o = user;
    gptq_how how = {
        .grid = GRID_OF(o), .act_order = o->act_order, .keep_zeros = c->facts & COMPRESS_SPARSE};
    for (int32_t i = 0; i < c->n_inputs; i++) {
        hessian h = {0};
        if (c->inputs[i].layer != l->layer) continue;
        const float *told = log_get_level() >= LOG_DEBUG ? l->stats[i].gram : NULL;
        status st = hessian_make(c, l->stats[i].gram, c->inputs[i].k, o->damp, o->act_order, &h);
        if (!told) stream_drop_gram(c, l, i);
        for (int64_t p = 0; p < l->n_products && st == STATUS_OK; p++)
            if (l->products[p].input == i) st = gptq_product(c, &l->products[p], &h, &how, told);
        hessian_free(c, &h);
        TRY(st);
    }
    return STATUS_OK;
}

static status apply(compress *c, const void *options_) {
    return stream_run(
        c, &(stream_options){.gram = true, .visit = visit, .user = (void *)(uintptr_t)options_});
}

extern const compress_method compress_gptq;
const compress_method compress_gptq = {
    .name = "gptq",
    .help = "codes whose errors later columns make up for (Frantar et al. 2022)",
    .options = options,
    .options_bytes = sizeof(gptq_options),
    .calibrates = true,
    .forbids = COMPRESS_CODED,
    .ensures = COMPRESS_CODED,
    .check = check,
    .apply = apply,
};
