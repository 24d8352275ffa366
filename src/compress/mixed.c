/* Mixed precision under a budget: each matrix in the format in which its bytes buy most.
 *
 * What rounding matrix i costs is measured: d_i is how much the loss of the calibration text rises when i alone is in
 * the coarsest format f0. Near the optimum loss goes with the squared error, so another format is taken to cost
 *   L_i(f) = d_i e_i(f) / e_i(f0),   e_i(f) = sum (w - round_f(w))^2
 * All start in f0; as long as the budget lasts, the matrix and finer format with the most loss saved a byte come next
 * (greedy on marginal gain, as in HAWQ, Dong et al. 2019, with a measured loss in place of the Hessian's trace). */
#include "compress/kit/foresee.h"
#include "compress/kit/pack.h"
#include "compress/kit/stream.h"
#include "model/kit/mixture.h"
#include <math.h>
#include <string.h>

enum { MOST_FORMATS = 16, SENSITIVITY_SEQUENCES = 8 };

typedef struct mixed_options {
    double bpw;
    int64_t size;
    const char *formats;
    bool imatrix;
} mixed_options;

static const option_def options[] = {
    OPTION(mixed_options, bpw, OPTION_DOUBLE, .initial = "0", RANGE(0, 32),
           .help = "bits a weight over the whole model, at most"),
    OPTION(mixed_options, size, OPTION_SIZE, .initial = "0", RANGE(0, 1e15),
           .help = "bytes of all weights at most, such as 500M"),
    OPTION(mixed_options, formats, OPTION_STRING, .initial = "q3_k,q4_k,q5_k,q6_k,q8_0",
           .help = "formats to choose from, coarsest first"),
    OPTION(mixed_options, imatrix, OPTION_BOOL, .initial = "true",
           .help = "weigh errors by activations"),
    {0}};

typedef struct choice {
    weight *w;
    const num_format *f[MOST_FORMATS];
    int64_t bytes[MOST_FORMATS];
    double loss[MOST_FORMATS]; /* what it costs */
    int32_t at;
} choice;

typedef struct mixing {
    compress *c;
    choice *all;
    int64_t count, budget, fixed; /* bytes of what stays as it is */
    int32_t n_formats;
    importance found;
} mixing;

static status add_choice(mixing *m, weight *w, const char *const *names) {
    compress *c = m->c;
    choice *to = &m->all[m->count++];
    tensor_rows rows = tensor_rows_of(&w->t);
    to->w = w;
    for (int32_t i = 0; i < m->n_formats; i++) {
        to->f[i] = mixture_format(names[i], w->name, rows.elems, c->config.layers, c->config.tied);
        if (!to->f[i])
            FAIL(c->cx, STATUS_UNSUPPORTED, "'%s': rows of %lld are no blocks of %s", w->name,
                 (long long)rows.elems, names[i]);
        to->bytes[i] = rows.count * num_row_bytes(to->f[i], rows.elems);
    }
    return STATUS_OK;
}

static status read_formats(mixing *m, const mixed_options *o, const char **names) {
    compress *c = m->c;
    char *text = arena_strdup(c->memory, o->formats), *rest = text;
    if (!text) return STATUS_NO_MEMORY;
    for (char *name; (name = strsep(&rest, ","));) {
        if (m->n_formats == MOST_FORMATS)
            FAIL(c->cx, STATUS_BAD_ARGUMENT, "more than %d formats", (int)MOST_FORMATS);
        if (!mixture_knows(name) || !num_find(name))
            FAIL(c->cx, STATUS_BAD_ARGUMENT, "there is no format '%s'", name);
        names[m->n_formats++] = name;
    }
    return STATUS_OK;
}

static int64_t least_bytes(const mixing *m) {
    int64_t bytes = m->fixed;
    for (int64_t i = 0; i < m->count; i++) bytes += m->all[i].bytes[0];
    return bytes;
}

/* The matrices with their formats, and the budget. */
static status lay_out(compress *c, const mixed_options *o, mixing *m) {
    const char *names[MOST_FORMATS];
    int64_t parameters = 0;
    *m = (mixing){.c = c, .all = ARENA_NEW(c->memory, choice, c->n_weights + 1)};
    if (!m->all) return STATUS_NO_MEMORY;
    TRY(read_formats(m, o, names));
    for (int64_t i = 0; i < c->n_weights; i++) {
        weight *w = &c->weights[i];
        parameters += tensor_elems(&w->t);
        if (w->t.rank >= 2)
            TRY(add_choice(m, w, names));
        else
            m->fixed += tensor_bytes(&w->t);
    }
    m->budget = o->size ? o->size : (int64_t)(o->bpw / 8 * (double)parameters);
    int64_t least = least_bytes(m);
    if (least > m->budget)
        FAIL(c->cx, STATUS_BAD_ARGUMENT,
             "%lld bytes cannot be reached: with every matrix in %s there are %lld, which is "
             "bpw=%.2f",
             (long long)m->budget, names[0], (long long)least,
             8 * (double)least / (double)MAX_OF(parameters, 1));
    return STATUS_OK;
}

static status check(compress *c, const void *options_) {
    const mixed_options *o = options_;
    mixing m;
    if ((o->bpw > 0) == (o->size > 0))
        FAIL(c->cx, STATUS_BAD_ARGUMENT, "give a budget: bpw=4.5, or size=500M");
    TRY(lay_out(c, o, &m));
    for (int64_t i = 0; i < m.count; i++)
        if (m.all[i].f[0]->kind == NUM_BLOCK) c->coded = m.all[i].f[0];
    return STATUS_OK;
}

/* ---- what each costs ---- */

static double squared_error(const weight *w, const num_format *f, const char *data, float *space) {
    tensor_rows rows = tensor_rows_of(&w->t);
    int64_t bytes = num_row_bytes(f, rows.elems);
    double sum = 0;
    for (int64_t r = 0; r < rows.count; r++) {
        weights_rows(w, r, r + 1, space);
        f->unpack(data + r * bytes, 0, rows.elems, space + rows.elems);
        for (int64_t i = 0; i < rows.elems; i++) {
            double e = (double)space[i] - (double)space[rows.elems + i];
            sum += e * e;
        }
    }
    return sum;
}

/* The loss with this weight alone as `data` has it. */
static status loss_with(compress *c, weight *w, const num_format *f, void *data, double *out) {
    weight was = *w;
    w->t.format = f;
    w->t.data = data;
    status st = stream_loss(c, out);
    *w = was;
    return st;
}

static status measure(mixing *m, choice *k, double base) {
    compress *c = m->c;
    double error[MOST_FORMATS], with = 0;
    float *space =
        context_alloc(c->cx, (size_t)(2 * tensor_rows_of(&k->w->t).elems) * sizeof *space);
    status st = space ? STATUS_OK : STATUS_NO_MEMORY;
    for (int32_t i = 0; i < m->n_formats && st == STATUS_OK; i++) {
        void *data;
        st = pack_data(c, k->w, k->f[i], importance_of(c, &m->found, k->w), &data);
        if (st != STATUS_OK) break;
        error[i] = squared_error(k->w, k->f[i], data, space);
        if (i == 0) st = loss_with(c, k->w, k->f[0], data, &with);
        context_release(c->cx, data);
    }
    context_release(c->cx, space);
    TRY(st);
    double harm = fmax(with - base, 1e-9); /* noise may make it negative */
    for (int32_t i = 0; i < m->n_formats; i++)
        k->loss[i] = error[0] > 0 ? harm * error[i] / error[0] : 0;
    return STATUS_OK;
}

/* A dry run's: every matrix as sensitive as the others for each value, errors falling by the bits; the loss of the
 * text once for the base and once for each matrix. */
static status foresee_measuring(mixing *m) {
    compress *c = m->c;
    double unused;
    c->foresees->times = (double)m->count + 1;
    status st = stream_loss(c, &unused);
    c->foresees->times = 1;
    for (int64_t i = 0; i < m->count && st == STATUS_OK; i++) {
        choice *k = &m->all[i];
        double values = (double)tensor_elems(&k->w->t);
        for (int32_t f = 0; f < m->n_formats && st == STATUS_OK; f++) {
            void *none;
            st = pack_data(c, k->w, k->f[f], importance_of(c, &m->found, k->w), &none);
            k->loss[f] = values * pow(4, -8 * (double)k->bytes[f] / values);
        }
    }
    return st;
}

static status measure_all(mixing *m) {
    compress *c = m->c;
    int64_t sequences = c->text.sequences;
    double base;
    c->text.sequences = MIN_OF(sequences, SENSITIVITY_SEQUENCES);
    progress_end(&c->progress);
    progress_begin(&c->progress, "sensitivities", m->count);
    status st = c->foresees ? foresee_measuring(m) : stream_loss(c, &base);
    for (int64_t i = 0; i < m->count && st == STATUS_OK && !c->foresees; i++) {
        st = measure(m, &m->all[i], base);
        progress_show(&c->progress, i + 1, m->all[i].w->name);
    }
    c->text.sequences = sequences;
    return st;
}

/* ---- choosing ---- */

/* The finer format of a matrix that saves the most loss a byte within `left`; its gain, or 0. */
static double best_step(const mixing *m, const choice *k, int64_t left, int32_t *to) {
    double best = 0;
    for (int32_t i = k->at + 1; i < m->n_formats; i++) {
        int64_t bytes = k->bytes[i] - k->bytes[k->at];
        if (bytes > left) continue;
        double saved = k->loss[k->at] - k->loss[i], gain = saved / (double)MAX_OF(bytes, 1);
        if (gain <= best) continue;
        best = gain;
        *to = i;
    }
    return best;
}

static void choose(mixing *m) {
    int64_t left = m->budget - least_bytes(m);
    for (;;) {
        choice *next = NULL;
        double most = 0;
        int32_t to = 0;
        for (int64_t i = 0; i < m->count; i++) {
            int32_t at = 0;
            double gain = best_step(m, &m->all[i], left, &at);
            if (gain <= most) continue;
            most = gain;
            next = &m->all[i];
            to = at;
        }
        if (!next) return;
        left -= next->bytes[to] - next->bytes[next->at];
        next->at = to;
    }
}

static status apply(compress *c, const void *options_) {
    const mixed_options *o = options_;
    mixing m;
    TRY(lay_out(c, o, &m));
    if (o->imatrix) TRY(importance_measure(c, &m.found));
    TRY(measure_all(&m));
    choose(&m);
    for (int64_t i = 0; i < m.count; i++) {
        choice *k = &m.all[i];
        TRY(pack_weight(c, k->w, k->f[k->at], importance_of(c, &m.found, k->w)));
    }
    return STATUS_OK;
}

extern const compress_method compress_mixed;
const compress_method compress_mixed = {
    .name = "mixed",
    .help = "a format for each matrix, by measured sensitivity under a budget",
    .options = options,
    .options_bytes = sizeof(mixed_options),
    .calibrates = true,
    .forbids = COMPRESS_CODED,
    .ensures = COMPRESS_CODED,
    .check = check,
    .apply = apply,
};
