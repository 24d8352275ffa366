/* Linear rounding of weights, without looking at activations: each value goes to the nearest code of its group's grid
 * (kit/grid.h). What every other way of choosing codes is measured against. `tensor` shares one scale over a matrix,
 * as the simplest integer kernels need it. */
#include "compress/kit/grid.h"

typedef struct round_options {
    GRID_MEMBERS;
    bool tensor;
} round_options;

static const option_def options[] = {
    GRID_OPTIONS(round_options, "128"),
    OPTION(round_options, tensor, OPTION_BOOL, .help = "one scale for a whole matrix"),
    {0}};

static grid grid_of(const round_options *o) {
    grid g = GRID_OF(o);
    if (o->tensor) g.group = 0;
    return g;
}

static status check(compress *c, const void *options_) {
    const round_options *o = options_;
    grid g = grid_of(o);
    if (o->tensor && o->search)
        FAIL(c->cx, STATUS_BAD_ARGUMENT, "search fits scales of groups, not of a whole matrix");
    return grid_check(c, &g);
}

static status apply(compress *c, const void *options_) {
    const round_options *o = options_;
    grid g = grid_of(o);
    for (int64_t i = 0; i < c->n_products; i++) {
        progress_show(&c->progress, c->products[i].layer, NULL);
        TRY(grid_round_product(c, &c->products[i], &g, o->tensor));
    }
    return STATUS_OK;
}

extern const compress_method compress_round;
const compress_method compress_round = {
    .name = "round",
    .help = "to the nearest code of a linear grid",
    .options = options,
    .options_bytes = sizeof(round_options),
    .forbids = COMPRESS_CODED,
    .ensures = COMPRESS_CODED,
    .check = check,
    .apply = apply,
};
