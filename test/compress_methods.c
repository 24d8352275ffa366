/* Methods against what they must equal or beat: GPTQ against step-by-step Optimal Brain Quantization; errors of layers
 * against rounding and magnitudes; folding against the same loss; masks against their patterns. */
#include "base/rng.h"
#include "compress/kit/awq.h"
#include "compress/kit/gptq.h"
#include "compress/kit/sparse.h"
#include "kit/compress_case.h"
#include <math.h>

enum { TOY_K = 24, TOY_N = 6 };

/* Correlated inputs: each is the one before, in part. */
static void draw_gram(int64_t k, int64_t samples, float *gram) {
    rng r = rng_make(3, 1);
    double x[512];
    memset(gram, 0, (size_t)gram_cells(k) * sizeof *gram);
    for (int64_t s = 0; s < samples; s++) {
        for (int64_t i = 0; i < k; i++) x[i] = rng_normal(&r) + (i ? 0.8 * x[i - 1] : 0);
        for (int64_t i = 0; i < k * k; i++)
            if (i / k <= i % k)
                gram[gram_row(k, i / k) + i % k - i / k] += (float)(x[i / k] * x[i % k]);
    }
}

/* H^-1 by Gauss-Jordan. */
static void inverse(const float *gram, double damp, double *out) {
    double a[TOY_K][2 * TOY_K] = {{0}}, mean = 0;
    for (int i = 0; i < TOY_K; i++) mean += (double)gram[gram_row(TOY_K, i)] / TOY_K;
    for (int i = 0; i < TOY_K; i++) {
        for (int j = 0; j < TOY_K; j++) a[i][j] = (double)gram_cell(gram, TOY_K, i, j);
        a[i][i] += damp * mean;
        a[i][TOY_K + i] = 1;
    }
    for (int p = 0; p < TOY_K; p++) {
        double by = a[p][p];
        for (int j = 0; j < 2 * TOY_K; j++) a[p][j] /= by;
        for (int i = 0; i < TOY_K; i++) {
            double f = a[i][p];
            for (int j = 0; i != p && j < 2 * TOY_K; j++) a[i][j] -= f * a[p][j];
        }
    }
    for (int i = 0; i < TOY_K * TOY_K; i++) out[i] = a[i / TOY_K][TOY_K + i % TOY_K];
}

/* One row, a column at a time; after each the column leaves the inverse Hessian (control: it stays). */
static void brain(const grid *g, const float *w, grid_scale s, const int32_t *order, double *h,
                  bool leaves, float *out) {
    double x[TOY_K];
    for (int i = 0; i < TOY_K; i++) x[i] = (double)w[i];
    for (int n = 0; n < TOY_K; n++) {
        int i = order[n];
        float q = grid_value(s, grid_code(g, s, (float)x[i]));
        double pivot = h[i * TOY_K + i], err = (x[i] - (double)q) / pivot;
        out[i] = q;
        double row[TOY_K], column[TOY_K];
        for (int j = 0; j < TOY_K; j++) row[j] = h[i * TOY_K + j], column[j] = h[j * TOY_K + i];
        for (int j = 0; j < TOY_K; j++) x[j] -= err * row[j];
        for (int j = 0; leaves && j < TOY_K * TOY_K; j++)
            h[j] -= column[j / TOY_K] * row[j % TOY_K] / pivot;
    }
}

static void equals_brain(test *t) {
    context *cx = context_new();
    compress c = {.cx = cx};
    float gram[TOY_K * TOY_K], w[TOY_N * TOY_K], want[TOY_K];
    draw_gram(TOY_K, 200, gram);
    rng_fill_normal(1, 2, 0, COUNT_OF(w), w);
    for (int act_order = 0; act_order < 2; act_order++) {
        hessian h;
        uint8_t codes[TOY_N * TOY_K];
        grid_scale scales[TOY_N];
        gptq_how how = {.grid = {.bits = 3}, .act_order = act_order};
        double apart = 0, control = 0;
        CHECK_OK(t, cx, hessian_make(&c, gram, TOY_K, 0.01, act_order, &h));
        CHECK_OK(t, cx, gptq_rows(&c, w, TOY_N, &h, &how, codes, scales));
        for (int r = 0; r < TOY_N; r++)
            for (int leaves = 0; leaves < 2; leaves++) {
                double inv[TOY_K * TOY_K];
                inverse(gram, 0.01, inv);
                brain(&how.grid, w + r * TOY_K, scales[r], h.order, inv, leaves, want);
                for (int i = 0; i < TOY_K; i++) {
                    double e =
                        fabs((double)(grid_value(scales[r], codes[r * TOY_K + i]) - want[i]));
                    if (leaves)
                        apart = fmax(apart, e);
                    else
                        control = fmax(control, e);
                }
            }
        CHECK(t, apart <= 1e-6 && control > 0.01, "%g apart, control %g", apart, control);
        hessian_free(&c, &h);
    }
    CHECK(t, context_live_allocations(cx) == 0, "leak");
    context_free(cx);
}

/* ---- errors of whole layers, by a method from outside that only measures ---- */

/* sum over rows of (a - b)^T G (a - b) */
static double layer_error(const float *a, const float *b, int64_t n, int64_t k, const float *gram) {
    double sum = 0;
    static double d[512];
    for (int64_t r = 0; r < n; r++, a += k, b += k) {
        for (int64_t i = 0; i < k; i++) d[i] = (double)(a[i] - b[i]);
        for (int64_t i = 0; i < k; i++)
            for (int64_t j = 0; j < k; j++) sum += d[i] * (double)gram_cell(gram, k, i, j) * d[j];
    }
    return sum;
}

typedef struct figures {
    int64_t layers, gptq, awq_inputs, awq, sparsegpt[2], wanda[2];
    bool valid;
} figures;
static figures found;

static void values_of(const grid *g, const uint8_t *codes, const grid_scale *s, int64_t n,
                      int64_t k, float *out) {
    int64_t step = g->group ? g->group : k, groups = grid_groups(g, k);
    for (int64_t i = 0; i < n * k; i++)
        out[i] = grid_value(s[i / k * groups + i % k / step], codes[i]);
}

static bool keeps_pattern(const float *x, int64_t cells) {
    for (int64_t i = 0; i < cells; i += 4) {
        int zeros = 0;
        for (int j = 0; j < 4; j++) zeros += x[i + j] == 0;
        if (zeros < 2) return false;
    }
    return true;
}

/* Of all rows, in each 128 columns, a half is 0, and not of each row alike. */
static bool keeps_half(const float *x, int64_t rows, int64_t k) {
    bool alike = true;
    for (int64_t at = 0; at < k; at += 128) {
        int64_t n = k - at < 128 ? k - at : 128, all = 0, first = 0;
        for (int64_t r = 0; r < rows; r++) {
            int64_t zeros = 0;
            for (int64_t j = at; j < at + n; j++) zeros += x[r * k + j] == 0;
            first = r ? first : zeros;
            alike &= zeros == first;
            all += zeros;
        }
        if (all != llround(0.5 * (double)(rows * n))) return false;
    }
    return !alike;
}

/* A half of all is 0: none of it larger, times the weight of its column, than what stays. */
static bool keeps_largest(const float *x, const float *of, const float *weigh, int64_t k,
                          int64_t cells) {
    float gone = 0, stays = INFINITY;
    int64_t zeros = 0;
    for (int64_t i = 0; i < cells; i++) {
        float size = fabsf(of[i] * weigh[i % k]);
        zeros += x[i] == 0;
        if (x[i] == 0)
            gone = fmaxf(gone, size);
        else
            stays = fminf(stays, size);
    }
    return zeros == llround(0.5 * (double)cells) && gone <= stays;
}

static status measure_sparse(compress *c, const product *p, const float *w, const hessian *h,
                             const input_stats *x, float *space) {
    static const sparse_pattern patterns[] = {{.share = 0.5}, {.keep = 2, .of = 4}},
                                all = {.share = 0.5, .of_all = true};
    int64_t cells = p->n * p->k;
    static float ones[512], weigh[512];
    for (int64_t j = 0; j < p->k; j++) ones[j] = 1, weigh[j] = (float)sqrt(x->sum_sq[j]);
    for (int i = 0; i < 2; i++) {
        double e[3];
        for (int way = 0; way < 3; way++) {
            memcpy(space, w, (size_t)cells * sizeof *w);
            if (way < 2)
                TRY(sparse_mask(c, space, p->n, p->k, way ? weigh : ones, &patterns[i]));
            else
                TRY(sparse_along(c, space, p->n, h, &patterns[i]));
            e[way] = layer_error(space, w, p->n, p->k, x->gram);
            found.valid &=
                i ? keeps_pattern(space, cells) : keeps_half(space, p->n, p->k) == (way == 2);
            found.valid &= !keeps_largest(space, w, ones, p->k, cells);
            found.valid &= !keeps_largest(space, w, weigh, p->k, cells);
        }
        found.wanda[i] += e[1] < e[0];
        found.sparsegpt[i] += e[2] < e[0];
    }
    for (int way = 0; way < 2; way++) {
        const float *by = way ? weigh : ones;
        memcpy(space, w, (size_t)cells * sizeof *w);
        TRY(sparse_mask(c, space, p->n, p->k, by, &all));
        found.valid &= keeps_largest(space, w, by, p->k, cells);
    }
    return STATUS_OK;
}

static status measure_product(compress *c, const product *p, const input_stats *x) {
    int64_t cells = p->n * p->k;
    grid g = {.bits = 3, .group = 128};
    gptq_how how = {.grid = g};
    hessian h;
    arena mem = arena_make(c->cx);
    float *w = ARENA_NEW(&mem, float, cells), *q = ARENA_NEW(&mem, float, cells);
    uint8_t *codes = ARENA_NEW(&mem, uint8_t, cells);
    grid_scale *scales = ARENA_NEW(&mem, grid_scale, p->n * grid_groups(&g, p->k));
    weights_values(p->w, w);
    TRY(hessian_make(c, x->gram, p->k, 0.01, false, &h));
    for (int64_t r = 0; r < p->n; r++)
        grid_round_row(&g, w + r * p->k, p->k, NULL, codes + r * p->k,
                       scales + r * grid_groups(&g, p->k));
    values_of(&g, codes, scales, p->n, p->k, q);
    double rounded = layer_error(q, w, p->n, p->k, x->gram);
    TRY(gptq_rows(c, w, p->n, &h, &how, codes, scales));
    values_of(&g, codes, scales, p->n, p->k, q);
    found.layers++;
    found.gptq += layer_error(q, w, p->n, p->k, x->gram) <= 0.7 * rounded;
    status st = measure_sparse(c, p, w, &h, x, q);
    hessian_free(c, &h);
    arena_free(&mem);
    return st;
}

/* Rounding under the scales that the search finds, against plain rounding. */
static status measure_awq(compress *c, const stream_layer *l, int32_t input) {
    static float s[512], w[512], scaled[512], q[512], plain[512];
    static uint8_t codes[512];
    grid_scale scales[4];
    grid g = {.bits = 3, .group = 128};
    const float *gram = l->stats[input].gram;
    int64_t k = c->inputs[input].k;
    double before = 0, after = 0;
    bool helps;
    TRY(awq_search(c, input, &l->stats[input], &g, s, &helps));
    for (int64_t i = 0; i < l->n_products; i++) {
        const product *p = &l->products[i];
        for (int64_t r = 0; p->input == input && r < p->n; r++) {
            weights_rows(p->w, r, r + 1, w);
            for (int64_t j = 0; j < k; j++) scaled[j] = w[j] * s[j];
            grid_round_row(&g, w, k, NULL, codes, scales);
            values_of(&g, codes, scales, 1, k, plain);
            grid_round_row(&g, scaled, k, NULL, codes, scales);
            values_of(&g, codes, scales, 1, k, q);
            for (int64_t j = 0; j < k; j++) q[j] /= s[j];
            before += layer_error(plain, w, 1, k, gram);
            after += layer_error(q, w, 1, k, gram);
        }
    }
    found.awq_inputs++;
    found.awq += after <= 0.9 * before;
    return STATUS_OK;
}

static status measure_layer(compress *c, const stream_layer *l, void *user) {
    bool awq = user != NULL;
    for (int64_t i = 0; i < l->n_products && !awq; i++)
        TRY(measure_product(c, &l->products[i], &l->stats[l->products[i].input]));
    for (int32_t i = 0; i < c->n_inputs && awq; i++)
        if (c->inputs[i].layer == l->layer && c->inputs[i].fold == FOLD_NORM)
            TRY(measure_awq(c, l, i));
    return STATUS_OK;
}

static status measure(compress *c, const void *options) {
    (void)options;
    return stream_run(c, &(stream_options){.gram = true,
                                           .only_looks = true,
                                           .visit = measure_layer,
                                           .user = c->facts & COMPRESS_FOLDED ? c : NULL});
}

static double losses[4];
static int64_t n_losses;
static status take_loss(compress *c, const void *options) {
    (void)options;
    return stream_loss(c, &losses[n_losses++]);
}

static status break_fold(compress *c, const void *options) {
    float x[128];
    (void)options;
    weight *w = weights_find(c, "model.layers.0.input_layernorm.weight");
    weights_values(w, x);
    x[5] *= 1.5f;
    return weights_set_values(c, w, x);
}

static const compress_method outside[] = {
    {.name = "measure", .help = "", .calibrates = true, .apply = measure},
    {.name = "loss", .help = "", .calibrates = true, .apply = take_loss},
    {.name = "break", .help = "", .apply = break_fold}};
static const compress_method *const table[] = {&outside[0], &outside[1], &outside[2], NULL};

static status run(compress_case *k, const char *recipe) {
    compress_result r;
    compress_options o = compress_case_options(k, recipe, k->out);
    compress_case_remove(k->out);
    o.methods = table;
    return compress_run(k->cx, &o, &r);
}

static void layer_errors(test *t) {
    compress_case k = {0};
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    found = (figures){.valid = true};
    CHECK_OK(t, k.cx, run(&k, "measure"));
    CHECK(t, found.layers == 14 && found.gptq * 10 >= found.layers * 9, "gptq: %d of %d",
          (int)found.gptq, (int)found.layers);
    for (int i = 0; i < 2; i++)
        CHECK(t, found.sparsegpt[i] == found.layers && found.wanda[i] * 3 >= found.layers * 2,
              "pattern %d: sparsegpt %d, wanda %d of %d", i, (int)found.sparsegpt[i],
              (int)found.wanda[i], (int)found.layers);
    CHECK(t, found.valid, "a group of four has fewer than two zeros");
    CHECK_OK(t, k.cx, run(&k, "outlier > measure"));
    CHECK(t, found.awq_inputs == 4 && found.awq == 4, "awq: %d of %d", (int)found.awq,
          (int)found.awq_inputs);
    compress_case_close(t, &k);
}

static void folds(test *t) {
    compress_case k = {0};
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    n_losses = 0;
    CHECK_OK(t, k.cx, run(&k, "loss > outlier > loss > smoothquant > loss > break > loss"));
    CHECK(t, fabs(losses[1] - losses[0]) <= 1e-5 && fabs(losses[2] - losses[0]) <= 1e-5,
          "%.8f, %.8f, %.8f", losses[0], losses[1], losses[2]);
    CHECK(t, fabs(losses[3] - losses[0]) > 1e-4, "the control: %.8f", losses[3]);
    compress_case_close(t, &k);
}

/* Every way of choosing codes on one chain each; zeros stay zeros under gptq. */
static void chains(test *t) {
    static const char *const recipes[] = {
        "gptq(4, group=64, act_order, search)", "awq(4, group=32, affine)",
        "smoothquant > round(8, group=0)", "prune(2:4, sparsegpt) > gptq(4, group=128)"};
    compress_case k = {0};
    CHECK_OK(t, k.cx, compress_case_open(t, &k));
    for (int64_t i = 0; i < COUNT_OF(recipes); i++) CHECK_OK(t, k.cx, run(&k, recipes[i]));
    model *m;
    const char *name = "model.layers.1.mlp.down_proj.weight";
    char raw[1024];
    float x[256];
    CHECK_OK(t, k.cx, model_open(k.cx, k.out, &m));
    const modelfile_tensor *w = modelfile_find(&m->file, name);
    CHECK(t, w && w->shape[1] == 256 && !strcmp(w->format_name, "int4_g128"));
    for (int64_t r = 0; r < w->shape[0]; r++) {
        CHECK_OK(t, k.cx, modelfile_rows(&m->file, w, r, r + 1, raw));
        w->format->unpack(raw, 0, 256, x);
        CHECK(t, keeps_pattern(x, 256), "row %d", (int)r);
    }
    model_close(m);
    compress_result r;
    CHECK_OK(t, k.cx, compress_case_run(&k, "quantize(q4_k_m)", k.gguf, &r));
    compress_options o = compress_case_options(&k, "gptq(4, group=32)", k.gguf);
    compress_case_remove(k.gguf);
    o.calib = NULL;
    CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_BAD_ARGUMENT, "give a text by --calib");
    o.calib = k.text;
    o.calib_sequences = 10000;
    CHECK_FAILS(t, k.cx, compress_run(k.cx, &o, &r), STATUS_BAD_ARGUMENT,
                "tokens: 10000 sequences");
    compress_case_close(t, &k);
}

/* With weights the weighted error of a format's packing falls. */
static void weighted(test *t) {
    static const char *const names[] = {"q2_k", "q3_k", "q4_k",   "q5_k",  "q6_k",
                                        "q4_0", "q5_0", "iq4_nl", "iq4_xs"};
    float x[512], weight[512], y[512];
    char a[1024], b[1024];
    rng_fill_normal(5, 1, 0, 512, x);
    for (int i = 0; i < 512; i++) weight[i] = i % 7 ? 0.05f : 4;
    for (int64_t i = 0; i < COUNT_OF(names); i++) {
        const num_format *f = num_find(names[i]);
        double error[2] = {0};
        f->pack(x, 512, a);
        f->pack_weighted(x, weight, 512, b);
        for (int way = 0; way < 2; way++) {
            f->unpack(way ? b : a, 0, 512, y);
            for (int j = 0; j < 512; j++)
                error[way] += (double)weight[j] * pow((double)(x[j] - y[j]), 2);
        }
        CHECK(t, error[1] < 0.98 * error[0], "%s: %g, plain %g", names[i], error[1], error[0]);
    }
}

extern const test_case suite_compress_methods[];
const test_case suite_compress_methods[] = {{"equals brain", equals_brain},
                                            {"layer errors", layer_errors},
                                            {"folds", folds},
                                            {"chains", chains},
                                            {"weighted", weighted},
                                            {0}};
