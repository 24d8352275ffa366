/* What optimisers share. */
#include "ops/kit/update.h"

status update_shape(const graph *g, const node *n, int32_t tensors, type *out) {
    for (int32_t i = 0; i < n->n_in; i++) {
        if (n->op->index_in >> i & 1) {
            TRY(kit_need_rank(g, n, i, 0));
            continue;
        }
        TRY(kit_need_floats(g, n, i));
        if (i < tensors)
            TRY(kit_need_same(g, n, 0, i));
        else
            TRY(kit_need_rank(g, n, i, 0));
    }
    for (int32_t o = 0; o < n->n_out; o++) out[o] = *kit_type(g, n, o);
    return STATUS_OK;
}

double update_gradient(const call *c, int gradient, int scale, int64_t i) {
    double g = kit_in(c, gradient)[i];
    return c->in[scale].data ? g * kit_in(c, scale)[0] : g;
}

void update_sample(sample *s, int32_t tensors, value *in) {
    int64_t dim[MAX_RANK];
    int32_t rank = kit_sample_dims(s, 1, 3, 5, dim);
    for (int32_t i = 0; i < tensors; i++) in[i] = sample_floats(s, rank, dim, 0.1, 1);
}

value update_sample_scalar(sample *s, double low, double high, bool optional) {
    return optional && sample_int(s, 0, 1) ? NO_VALUE : sample_floats(s, 0, NULL, low, high);
}
