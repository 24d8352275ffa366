/* y = x / sqrt(mean(x^2) + eps) * w; ops/norm.h tells the rest. */
#include "ops/kit/rows.h"

NORM_PARTS(false)

static void gradient(graph *g, value y, const value *dy, uint32_t want, value *dx) {
    norm_gradient(g, y, dy, want, dx, &op_rms_norm_bwd);
}

static status draw(sample *s) {
    return norm_sample(s, &op_rms_norm);
}

value build_rms_norm(graph *g, value x, value w, double eps) {
    return graph_add(g, &op_rms_norm, &(norm_params){.eps = eps}, 2, (value[]){x, w});
}

const op_def op_rms_norm = {
    .name = "rms_norm",
    .help = "y = x / sqrt(mean(x^2) + eps) * w",
    .n_in = 2,
    .n_out = 1,
    .optional = 1 << NORM_W,
    .may_overwrite = 1 << NORM_X,
    .fields = norm_fields,
    .shape = norm_shape,
    .gradient = gradient,
    NORM_FIELDS,
};
