/* SmoothQuant (Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models",
 * 2023): difficulty moves from activations, where few channels are large, to weights, which are even.
 *
 *   s_j = max|x_j|^alpha / max|w_j|^(1 - alpha)
 *
 * folded into the norm before. alpha is the one of least expected error of 8 bits on both sides, with one step for all
 * activations and one for each row of weights, errors of rounding being uniform:
 *
 *   E(alpha) = (max_j |x_j / s_j| / 127)^2 / 12 * sum_ij (w_ij s_j)^2
 *            + sum_i (max_j |w_ij s_j| / 127)^2 / 12 * sum_j mean((x_j / s_j)^2) */
#include "compress/kit/fold.h"
#include "compress/kit/foresee.h"
#include "compress/kit/stream.h"
#include <math.h>

enum { TRIED = 21 }; /* alphas, even from 0 to 1 */

typedef struct smooth_options {
    double alpha;
} smooth_options;

static const option_def options[] = {
    OPTION(smooth_options, alpha, OPTION_DOUBLE, .initial = "-1", RANGE(-1, 1),
           .help = "how much of the difficulty moves; below 0: found for each input"),
    {0}};

static status check(compress *c, const void *options_) {
    (void)options_;
    for (int64_t i = 0; i < c->n_inputs; i++)
        if (c->inputs[i].fold == FOLD_NORM) return STATUS_OK;
    FAIL(c->cx, STATUS_UNSUPPORTED,
         "no norm of a %s is read by products alone, into which scales "
         "could be folded",
         c->config.model_type);
}

static void scales_at(double alpha, const float *x_most, const float *w_most, int64_t k, float *s) {
    for (int64_t j = 0; j < k; j++) {
        double x = fmax((double)x_most[j], 1e-5), w = fmax((double)w_most[j], 1e-5);
        s[j] = (float)fmax(pow(x, alpha) / pow(w, 1 - alpha), 1e-5);
    }
}

/* E of one product's values under s. */
static double expected(const float *w, int64_t n, int64_t k, const input_stats *x, const float *s) {
    double x_most = 0, squares = 0, w_squares = 0, w_steps = 0;
    for (int64_t j = 0; j < k; j++) {
        double scale = (double)s[j];
        x_most = fmax(x_most, (double)x->max_abs[j] / scale);
        squares += x->sum_sq[j] / (double)x->rows / (scale * scale);
    }
    for (int64_t i = 0; i < n; i++, w += k) {
        double most = 0;
        for (int64_t j = 0; j < k; j++) {
            double v = (double)(w[j] * s[j]);
            most = fmax(most, fabs(v));
            w_squares += v * v;
        }
        w_steps += most * most;
    }
    return (x_most * x_most * w_squares + w_steps * squares) / (127.0 * 127 * 12);
}

/* One input, and E of all that reads it under the scales of each alpha. */
typedef struct trials {
    const input_stats *x;
    float *s; /* [TRIED, k] */
    double error[TRIED];
} trials;

static status add_errors(compress *c, const product *p, trials *t) {
    float *w = context_alloc(c->cx, (size_t)(p->n * p->k) * sizeof *w);
    if (!w) return STATUS_NO_MEMORY;
    weights_values(p->w, w);
    for (int i = 0; i < TRIED; i++)
        t->error[i] += expected(w, p->n, p->k, t->x, t->s + i * p->k);
    context_release(c->cx, w);
    return STATUS_OK;
}

static status error_sample(compress *c, const product *p, const void *user) {
    trials t = *(const trials *)user;
    return add_errors(c, p, &t);
}

/* Of least error in *best. */
static status search(compress *c, const stream_layer *l, int32_t input, const float *most,
                     double *best) {
    int64_t k = c->inputs[input].k;
    trials t = {&l->stats[input], ARENA_NEW(l->mem, float, TRIED *k), {0}};
    int least = 0;
    if (!t.s) return STATUS_NO_MEMORY;
    for (int i = 0; i < TRIED; i++)
        scales_at((double)i / (TRIED - 1), t.x->max_abs, most, k, t.s + i * k);
    for (int64_t i = 0; i < l->n_products; i++) {
        const product *p = &l->products[i];
        if (p->input != input) continue;
        if (c->foresees) {
            p->w->held = true;
            foresee_memory(c, p->n * k * 4 + TRIED * k * 4);
            TRY(foresee_solve(c, p, 0, error_sample, &t));
        } else {
            TRY(add_errors(c, p, &t));
        }
    }
    for (int i = 1; i < TRIED; i++)
        if (t.error[i] < t.error[least]) least = i;
    *best = (double)least / (TRIED - 1);
    return STATUS_OK;
}

static status smooth_input(compress *c, const stream_layer *l, int32_t input, double alpha) {
    int64_t k = c->inputs[input].k;
    const float *x_most = l->stats[input].max_abs;
    float *most = ARENA_NEW(l->mem, float, k), *s = ARENA_NEW(l->mem, float, k);
    if (!most || !s) return STATUS_NO_MEMORY;
    if (!c->foresees) TRY(fold_column_most(c, input, most));
    if (alpha < 0) TRY(search(c, l, input, most, &alpha));
    if (c->foresees) return STATUS_OK;
    scales_at(alpha, x_most, most, k, s);
    return fold_scales(c, input, s);
}

static status visit(compress *c, const stream_layer *l, void *user) {
    const smooth_options *o = user;
    for (int32_t i = 0; i < c->n_inputs; i++)
        if (c->inputs[i].layer == l->layer && c->inputs[i].fold == FOLD_NORM)
            TRY(smooth_input(c, l, i, o->alpha));
    return STATUS_OK;
}

static status apply(compress *c, const void *options_) {
    return stream_run(
        c,
        &(stream_options){.only_looks = true, .visit = visit, .user = (void *)(uintptr_t)options_});
}

extern const compress_method compress_smoothquant;
const compress_method compress_smoothquant = {
    .name = "smoothquant",
    .help = "difficulty moved from activations to weights (Xiao et al. 2023)",
    .options = options,
    .options_bytes = sizeof(smooth_options),
    .calibrates = true,
    .forbids = COMPRESS_CODED,
    .ensures = COMPRESS_FOLDED,
    .check = check,
    .apply = apply,
};
