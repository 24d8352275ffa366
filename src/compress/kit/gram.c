#include "compress/kit/gram.h"
#include "compress/kit/foresee.h"
#include "compress/kit/stage.h"
#include "ops/matmul.h"
#include <string.h>

enum { STRIP = 256 };

VECTOR_CLONES
static double quadratic(const float *gram, const float *d, int64_t k) {
    double sum = 0;
    for (int64_t i = 0; i < k; i++) {
        float lane[16] = {0}, row = 0;
        int64_t n = k - i, j = 1;
        const float *x = d + i;
        for (; j + 16 <= n; j += 16)
            for (int l = 0; l < 16; l++) lane[l] += gram[j + l] * x[j + l];
        for (int l = 0; l < 16; l++) row += lane[l];
        for (; j < n; j++) row += gram[j] * x[j];
        sum += (2 * (double)row + (double)(gram[0] * x[0])) * (double)x[0];
        gram += n;
    }
    return sum;
}

double gram_quadratic(const float *gram, const float *d, int64_t k) {
    return quadratic(gram, d, k);
}

status gram_open(compress *c, int64_t k, int64_t rows, gram_adder *out) {
    const num_format *f32 = num_find("f32");
    plan_options how = {.isa_limit = cpu_isa_best(), .dry_run = c->foresees};
    *out = (gram_adder){.c = c, .k = k, .strip = MIN_OF(k, STRIP), .store = states_new(c->cx)};
    graph *g = out->g = graph_new(c->cx);
    status st = g && out->store ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        extent n = extent_symbol(graph_symbol(g, "rows", rows));
        extent some[2] = {n, extent_of(out->strip)}, all[2] = {n, extent_of(k)};
        value x = graph_input(g, "rows", type_of(f32, 2, all));
        value strip = graph_input(g, "strip", type_of(f32, 2, some));
        graph_mark(g, MARK_OUTPUT, "sums", build_matmul(g, strip, x, true, false, f32), NO_VALUE);
        st = graph_status(g);
    }
    if (st == STATUS_OK) st = plan_new(c->cx, g, out->store, c->workers, &how, &out->p);
    if (st == STATUS_OK && !c->foresees) st = plan_load(out->p);
    if (st == STATUS_OK && c->foresees) {
        out->held_bytes = foresee_plan_bytes(c, out->p);
        foresee_hold(c, out->held_bytes);
    }
    if (st != STATUS_OK) gram_close(out);
    return st;
}

void gram_close(gram_adder *a) {
    if (a->held_bytes) foresee_hold(a->c, -a->held_bytes);
    plan_free(a->p);
    graph_free(a->g);
    states_free(a->store);
    *a = (gram_adder){0};
}

static status bind(gram_adder *a, int64_t n) {
    int64_t symbols[MAX_SYMBOLS + 1] = {0};
    symbols[1] = n;
    return plan_bind(a->p, symbols);
}

static float *input(const gram_adder *a, const char *name) {
    return plan_tensor(a->p, plan_find_input(a->p, name))->data;
}

/* The strip that begins at `from`; the last one goes back over columns that are there already, which are left out. */
status gram_add(gram_adder *a, const float *rows, int64_t n, float *gram) {
    int64_t k = a->k, width = a->strip;
    TRY(bind(a, n));
    for (int64_t done = 0; done < k;) {
        int64_t from = MIN_OF(done, k - width);
        float *strip = input(a, "strip");
        memcpy(input(a, "rows"), rows, (size_t)(n * k) * sizeof *rows);
        for (int64_t r = 0; r < n; r++)
            memcpy(strip + r * width, rows + r * k + from, (size_t)width * sizeof *rows);
        plan_run(a->p, 0);
        a->c->flops += stage_plan_flops(a->p);
        const float *sums = plan_tensor(a->p, plan_find_output(a->p, "sums"))->data;
        for (int64_t i = done; i < from + width; i++) {
            float *to = gram + gram_row(k, i);
            const float *row = sums + (i - from) * k + i;
            for (int64_t j = 0; j < k - i; j++) to[j] += row[j];
        }
        done = from + width;
    }
    return STATUS_OK;
}

status gram_foresee(gram_adder *a, int64_t n, double times) {
    TRY(bind(a, n));
    foresee_plan(a->c, WORK_CALIBRATE, a->p, stage_plan_flops(a->p),
                 times * (double)div_up(a->k, a->strip));
    return STATUS_OK;
}
