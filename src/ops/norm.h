/* Normalisation of rows (the innermost axis, of C elements), in f32 or finer:
 *   rms_norm:   y = x / sqrt(mean(x^2) + eps) * w
 *   layer_norm: y = (x - mean(x)) / sqrt(var(x) + eps) * w + b
 * (Zhang and Sennrich; Ba, Kiros and Hinton). With h the normalised row, r its factor, q = dy * w,
 *   dx = r (q - [mean(q)] - h mean(q h)),  dw = sum over rows of dy h,  db = sum over rows of dy;
 * the bracket is layer_norm's only. */
#ifndef OPS_NORM_H
#define OPS_NORM_H

#include "graph/op.h"

typedef struct norm_params {
    double eps;
    const num_format *format; /* of y; NULL: that of x */
} norm_params;

enum { NORM_X, NORM_W, NORM_B };              /* w [C] and b [C] are optional; rms_norm has no b */
enum { NORM_BWD_X, NORM_BWD_W, NORM_BWD_DY }; /* outputs: dx, dw [C], and for layer_norm db [C] */

value build_rms_norm(graph *g, value x, value w, double eps);
value build_layer_norm(graph *g, value x, value w, value b, double eps);

extern const op_def op_rms_norm, op_rms_norm_bwd, op_layer_norm, op_layer_norm_bwd;

#endif
