/* Norms, of which layer_norm `centres` and rms_norm does not (the equations are in ops/norm.h). */
#ifndef OPS_KIT_ROWS_H
#define OPS_KIT_ROWS_H

#include "ops/kit/kit.h"
#include "ops/norm.h"

status norm_shape(const graph *g, const node *n, type *out);
void norm_labels(const graph *g, const node *n, labels *l);
void norm_reference(const call *c, bool centres);
void norm_expand(graph *g, value y, const value *in, value *out, bool centres);
void norm_gradient(graph *g, value y, const value *dy, uint32_t want, value *dx, const op_def *bwd);
status norm_bwd_shape(const graph *g, const node *n, type *out);
void norm_bwd_reference(const call *c, bool centres);
void norm_bwd_expand(graph *g, value y, const value *in, value *out, bool centres);
status norm_sample(sample *s, const op_def *op);
status norm_bwd_sample(sample *s, const op_def *op);
void norm_cost(const call *c, cost *out);

extern const field norm_fields[], norm_bwd_fields[];

#define NORM_PARTS(centres)                                                                        \
    static void reference(const call *c) {                                                         \
        norm_reference(c, centres);                                                                \
    }                                                                                              \
    static void expand(graph *g, value y, const value *in, value *out) {                           \
        norm_expand(g, y, in, out, centres);                                                       \
    }
#define NORM_BWD_PARTS(centres)                                                                    \
    static void reference(const call *c) {                                                         \
        norm_bwd_reference(c, centres);                                                            \
    }                                                                                              \
    static void expand(graph *g, value y, const value *in, value *out) {                           \
        norm_bwd_expand(g, y, in, out, centres);                                                   \
    }
#define NORM_FIELDS                                                                                \
    .params_bytes = sizeof(norm_params), .precision = PRECISION_WIDE, .narrow_in = 1 << NORM_X,    \
    .labels = norm_labels, .cost = norm_cost, .reference = reference, .expand = expand,            \
    .sample = draw

#endif
