/* Folding (kit/fold.h). Values are changed in f32 and stored as the weight has them. */
#include "compress/kit/fold.h"
#include <math.h>

/* A vector divided by s; `plus`: it is stored less that. */
static status divide_vector(compress *c, weight *w, const float *s, float plus) {
    int64_t n = tensor_elems(&w->t);
    float *x = context_alloc(c->cx, (size_t)n * sizeof *x);
    if (!x) return STATUS_NO_MEMORY;
    weights_values(w, x);
    for (int64_t i = 0; i < n; i++) x[i] = (x[i] + plus) / s[i] - plus;
    status st = weights_set_values(c, w, x);
    context_release(c->cx, x);
    return st;
}

/* Row i of a matrix [n, k] divided by s_i. */
static status divide_rows(compress *c, weight *w, const float *s) {
    int64_t n = w->t.dim[0], k = w->t.dim[1];
    float *x = context_alloc(c->cx, (size_t)(n * k) * sizeof *x);
    if (!x) return STATUS_NO_MEMORY;
    weights_values(w, x);
    for (int64_t i = 0; i < n * k; i++) x[i] /= s[i / k];
    status st = weights_set_values(c, w, x);
    context_release(c->cx, x);
    return st;
}

static status scale_columns(compress *c, const product *p, const float *s) {
    float *x = context_alloc(c->cx, (size_t)(p->n * p->k) * sizeof *x);
    if (!x) return STATUS_NO_MEMORY;
    weights_values(p->w, x);
    for (int64_t i = 0; i < p->n * p->k; i++) x[i] *= s[i % p->k];
    status st = weights_set_values(c, p->w, x);
    context_release(c->cx, x);
    return st;
}

status fold_scales(compress *c, int32_t input, const float *s) {
    const product_input *in = &c->inputs[input];
    if (in->fold == FOLD_NONE)
        FAIL(c->cx, STATUS_BUG, "scales of input %d fold into nothing", input);
    if (c->foresees)
        return STATUS_OK; /* a pass over weights: nothing beside what found the scales */
    if (in->fold == FOLD_NORM) TRY(divide_vector(c, in->gain, s, in->gain_plus_one ? 1 : 0));
    if (in->fold == FOLD_ROWS) TRY(divide_rows(c, in->gain, s));
    if (in->bias) TRY(divide_vector(c, in->bias, s, 0));
    for (int64_t i = 0; i < c->n_products; i++)
        if (c->products[i].input == input) TRY(scale_columns(c, &c->products[i], s));
    return STATUS_OK;
}

status fold_column_most(compress *c, int32_t input, float *out) {
    int64_t k = c->inputs[input].k;
    for (int64_t j = 0; j < k; j++) out[j] = 0;
    for (int64_t i = 0; i < c->n_products; i++) {
        const product *p = &c->products[i];
        if (p->input != input) continue;
        float *x = context_alloc(c->cx, (size_t)(p->n * k) * sizeof *x);
        if (!x) return STATUS_NO_MEMORY;
        weights_values(p->w, x);
        for (int64_t j = 0; j < p->n * k; j++) out[j % k] = fmaxf(out[j % k], fabsf(x[j]));
        context_release(c->cx, x);
    }
    return STATUS_OK;
}
