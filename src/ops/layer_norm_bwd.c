/* The gradient of layer_norm (ops/norm.h), which measures each row again instead of keeping what it
 * measured. */
#include "ops/kit/rows.h"

NORM_BWD_PARTS(true)

static status draw(sample *s) {
    return norm_bwd_sample(s, &op_layer_norm_bwd);
}

const op_def op_layer_norm_bwd = {
    .name = "layer_norm_bwd",
    .help = "dx, dw, db of layer_norm",
    .n_in = 3,
    .n_out = 3,
    .optional = 1 << NORM_BWD_W,
    .linear = 1 << NORM_BWD_DY,
    .may_overwrite = 1 << NORM_BWD_X | 1 << NORM_BWD_DY,
    .fields = norm_bwd_fields,
    .shape = norm_bwd_shape,
    NORM_FIELDS,
};
