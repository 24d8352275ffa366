/* Models against transformers: every golden of test/golden/models gives its logits and, choosing the
 * likeliest token again and again, its text; saved and opened again it gives the same bits; and models
 * that are wrong in one place do not pass. */
#include "kit/golden_model.h"
#include "model/kit/gguf_names.h"
#include "test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double tolerance = 1e-4; /* of the largest logit */

static status run_model(const opened *o, model *m, model_fault fault, model_run *r,
                        const float **logits, int64_t *count) {
    TRY(model_run_build(r, o->cx, &m->config, fault, NULL, NULL));
    TRY(model_load(m, r->store, r->g));
    return model_run_step(r, &o->golden, fault, logits, count);
}

/* The largest difference of a golden row, as a part of the largest golden number. */
static double largest_error(const model_case *c, const float *logits) {
    int64_t columns = c->n_logits / c->n_rows;
    double error = 0, largest = 0;
    for (int64_t r = 0; r < c->n_rows; r++) {
        int64_t row = c->rows[r][1] + (c->rows[r][0] ? c->count[0] : 0);
        for (int64_t i = 0; i < columns; i++) {
            double is = logits[row * columns + i], wanted = c->logits[r * columns + i];
            error = isfinite(is) ? fmax(error, fabs(is - wanted)) : INFINITY;
            largest = fmax(largest, fabs(wanted));
        }
    }
    return error / largest;
}

/* Rows whose likeliest token is not the next one of the first sequence, which was chosen so. */
static int64_t wrong_choices(const model_case *c, const float *logits) {
    enum { CHOSEN = 64 };
    int64_t columns = c->n_logits / c->n_rows, wrong = 0;
    for (int64_t r = c->count[0] - CHOSEN; r < c->count[0]; r++) {
        const float *row = logits + (r - 1) * columns;
        int64_t best = 0;
        for (int64_t i = 1; i < columns; i++)
            if (row[i] > row[best]) best = i;
        wrong += best != c->ids[0][r];
    }
    return wrong;
}

/* Weights in the formats that the file has them in give the same, where those are exact. */
static void check_stored(test *t, const char *name) {
    opened o = {0};
    model_run r;
    const float *logits;
    int64_t n;
    CHECK_OK(t, o.cx, open_golden(t, name, &o));
    CHECK_OK(t, o.cx,
             model_run_build(&r, o.cx, &o.m->config, FAULT_NONE, model_stored_format, o.m));
    CHECK_OK(t, o.cx, model_load(o.m, r.store, r.g));
    CHECK_OK(t, o.cx, model_run_step(&r, &o.golden, FAULT_NONE, &logits, &n));
    int32_t blocks = 0;
    for (int32_t i = 0; i < states_count(r.store); i++)
        blocks += states_at(r.store, i)->t.format->kind == NUM_BLOCK;
    CHECK(t, (blocks > 0) == (o.m->config.packed.method != PACKED_NONE), "%s: %d in blocks", name,
          (int)blocks);
    double error = largest_error(&o.golden, logits);
    CHECK(t, error <= tolerance, "%s: off by %.2e of the largest logit", name, error);
    if (blocks)
        CHECK_FAILS(t, o.cx, model_save(o.cx, o.folder, &o.m->config, r.store, "f32"),
                    STATUS_UNSUPPORTED, "load it as bf16 or f32 to save it");
    model_run_end(&r);
    close_golden(t, &o);
}

static void check_logits(test *t, const char *name) {
    opened o = {0};
    model_run r;
    const float *logits;
    int64_t n;
    CHECK_OK(t, o.cx, open_golden(t, name, &o));
    CHECK_OK(t, o.cx, run_model(&o, o.m, FAULT_NONE, &r, &logits, &n));
    double error = largest_error(&o.golden, logits);
    CHECK(t, error <= tolerance, "%s: off by %.2e of the largest logit", name, error);
    if (o.m->def->logits) {
        int64_t wrong = wrong_choices(&o.golden, logits);
        CHECK(t, wrong == 0, "%s: %lld of 64 choices differ", name, (long long)wrong);
    }
    model_run_end(&r);
    close_golden(t, &o);
}

static void check_faults(test *t, const char *name) {
    opened o = {0};
    const float *logits;
    int64_t n;
    CHECK_OK(t, o.cx, open_golden(t, name, &o));
    for (int fault = FAULT_MASK; fault < FAULT_KINDS; fault++) {
        model_run r;
        CHECK_OK(t, o.cx, run_model(&o, o.m, (model_fault)fault, &r, &logits, &n));
        double error = largest_error(&o.golden, logits);
        CHECK(t, !(error <= 10 * tolerance), "%s with fault %d is off by %.2e only", name, fault,
              error);
        model_run_end(&r);
    }
    close_golden(t, &o);
}

static void check_saved(test *t, const char *name) {
    opened o = {0};
    model_run a, b;
    model *again;
    char folder[500];
    const float *x, *y;
    int64_t n, same;
    CHECK_OK(t, o.cx, open_golden(t, name, &o));
    CHECK_OK(t, o.cx, run_model(&o, o.m, FAULT_NONE, &a, &x, &n));
    snprintf(folder, sizeof folder, "%s/%s-saved", test_folder(t), name);
    CHECK_OK(t, o.cx, model_save(o.cx, folder, &o.m->config, a.store, NULL));
    CHECK_OK(t, o.cx, model_open(o.cx, folder, &again));
    again->config.context = o.golden.context;
    CHECK_OK(t, o.cx, run_model(&o, again, FAULT_NONE, &b, &y, &same));
    CHECK(t, n == same && !memcmp(x, y, (size_t)n * sizeof *x), "%s", name);
    model_run_end(&a);
    model_run_end(&b);
    model_close(again);
    close_golden(t, &o);
}

/* Written as GGUF and opened again; GGUF keeps numbers of the configuration in f32. */
static void check_gguf(test *t, const char *name) {
    opened o = {0};
    model_run a, b;
    model *again;
    char path[500];
    const float *x, *y;
    int64_t n, same;
    double apart = 0, largest = 0;
    CHECK_OK(t, o.cx, open_golden(t, name, &o));
    const double limit = o.m->config.gate_limit, usual = 7; /* which readers take for granted */
    if (limit) o.m->config.gate_limit = usual;
    CHECK_OK(t, o.cx, run_model(&o, o.m, FAULT_NONE, &a, &x, &n));
    snprintf(path, sizeof path, "%s/%s.gguf", test_folder(t), name);
    if (limit && limit != usual) {
        model_config other = o.m->config;
        other.gate_limit = limit;
        CHECK_FAILS(t, o.cx, model_save_gguf(o.cx, path, &other, a.store, &(gguf_saving){0}),
                    STATUS_UNSUPPORTED, "gates are clamped at");
    }
    CHECK_OK(t, o.cx, model_save_gguf(o.cx, path, &o.m->config, a.store, &(gguf_saving){0}));
    CHECK_OK(t, o.cx, model_open(o.cx, path, &again));
    again->config.context = o.golden.context;
    CHECK_OK(t, o.cx, run_model(&o, again, FAULT_NONE, &b, &y, &same));
    for (int64_t i = 0; i < n; i++) {
        apart = fmax(apart, fabs((double)x[i] - (double)y[i]));
        largest = fmax(largest, fabs((double)x[i]));
    }
    CHECK(t, n == same && apart <= 1e-5 * largest, "%s: %.2e of %.2e", name, apart, largest);
    model_run_end(&a);
    model_run_end(&b);
    model_close(again);
    close_golden(t, &o);
}

/* The command that opens all folders saved here, grown by one pair a golden. */
static char command[16384];

static void save_for_transformers(test *t, const char *name) {
    opened o = {0};
    model_run r;
    const float *logits;
    char folder[512];
    int64_t n;
    CHECK_OK(t, o.cx, open_golden(t, name, &o));
    CHECK_OK(t, o.cx, run_model(&o, o.m, FAULT_NONE, &r, &logits, &n));
    snprintf(folder, sizeof folder - 8, "%s/%s-saved", test_folder(t), name);
    CHECK_OK(t, o.cx, model_save(o.cx, folder, &o.m->config, r.store, NULL));
    size_t at = strlen(command);
    at += (size_t)snprintf(command + at, sizeof command - at, " %s/%s.json %s", GOLDENS, name,
                           folder);
    if (!strcmp(name, "llama")) { /* whose GGUF form transformers reads without loss */
        strcat(folder, ".gguf");
        CHECK_OK(t, o.cx, model_save_gguf(o.cx, folder, &o.m->config, r.store, &(gguf_saving){0}));
        snprintf(command + at, sizeof command - at, " %s/%s.json %s", GOLDENS, name, folder);
    }
    model_run_end(&r);
    close_golden(t, &o);
}

/* What is saved here, opened there. */
static void in_transformers(test *t) {
    const char *named = getenv("HONE_PYTHON"), *python = named ? named : "python3";
    snprintf(command, sizeof command, "%s -c 'import transformers, torch' 2>/dev/null", python);
    if (system(command) != 0) {
        test_skip(t, "%s has no transformers (HONE_PYTHON names another interpreter)", python);
        return;
    }
    snprintf(command, sizeof command, "%s tool/goldens/models.py check", python);
    each_golden(t, save_for_transformers);
    CHECK(t, system(command) == 0, "%s", command);
}

static void goldens(test *t) {
    each_golden(t, check_logits);
}

static void stored(test *t) {
    each_golden(t, check_stored);
}

static void faults(test *t) {
    each_golden(t, check_faults);
}

static void gguf_files(test *t) {
    each_golden(t, check_gguf);
}

static void saved(test *t) {
    each_golden(t, check_saved);
}

const test_case suite_models[] = {{"goldens", goldens},
                                  {"stored", stored},
                                  {"faults", faults},
                                  {"saved", saved},
                                  {"gguf", gguf_files},
                                  {"in_transformers", in_transformers, .slow = true},
                                  {0}};
