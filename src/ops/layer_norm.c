/* y = (x - mean(x)) / sqrt(var(x) + eps) * w + b; ops/norm.h tells the rest. */
#include "ops/kit/rows.h"

NORM_PARTS(true)

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    norm_gradient(g, y, dy, want, dx, &op_layer_norm_bwd);
}

static status draw(sample *s) {
    return norm_sample(s, &op_layer_norm);
}

value build_layer_norm(graph *g, value x, value w, value b, double eps) {
    return graph_add(g, &op_layer_norm, &(norm_params){.eps = eps}, 3, (value[]){x, w, b});
}

const op_def op_layer_norm = {
    .name = "layer_norm",
    .help = "y = (x - mean(x)) / sqrt(var(x) + eps) * w + b",
    .n_in = 3,
    .n_out = 1,
    .optional = 1 << NORM_W | 1 << NORM_B,
    .may_overwrite = 1 << NORM_X,
    .fields = norm_fields,
    .shape = norm_shape,
    .gradient = gradient,
    NORM_FIELDS,
};
