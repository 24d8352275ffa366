/* The account of a dry run (kit/foresee.h). */
#include "compress/kit/foresee.h"
#include "base/rng.h"
#include "base/time.h"
#include "exec/plan.h"
#include <string.h>

enum { SAMPLE_ROWS = 16 };

const char *const work_names[WORK_KINDS] = {"calibration", "solving", "training"};

void foresee_plan(compress *c, work_kind kind, const plan *p, double flops, double runs) {
    foresee *f = c->foresees;
    c->flops += flops * runs * f->times;
    f->now.flops[kind] += flops * runs * f->times;
    if (f->o->see) f->o->see(f->o->see_user, f->step, kind, p, runs * f->times);
}

static bool is_packed(const plan *p, const node *n) {
    bool packed = false;
    for (int32_t i = 0; i < p->n_packs; i++) packed |= p->packs[i].from.node == n->id;
    return packed && !plan_reads(p, n->id);
}

/* States that do not lie in weights as they are count; of those that are only packed, the largest: both are there while
 * it is packed, when nothing of the step has been touched. */
int64_t foresee_plan_bytes(const compress *c, const plan *p) {
    int64_t bytes = p->packed_bytes, largest = 0;
    for (int32_t i = 0; i < p->g->n_nodes; i++) {
        const node *n = p->g->nodes[i];
        const weight *w = n->op == &op_state ? weights_find(c, n->name) : NULL;
        if (n->op != &op_state || (w && w->t.format == n->out[0].format)) continue;
        int64_t state = type_bound_bytes(p->g, &n->out[0]);
        if (p->options.release && is_packed(p, n))
            largest = MAX_OF(largest, state);
        else
            bytes += state;
    }
    return bytes + MAX_OF(largest, p->planned_bytes + p->scratch_bytes);
}

static int64_t weight_bytes(const compress *c) {
    int64_t bytes = 0;
    for (int64_t i = 0; i < c->n_weights; i++)
        if (c->weights[i].held) bytes += tensor_bytes(&c->weights[i].t);
    return bytes;
}

void foresee_memory(compress *c, int64_t bytes) {
    foreseen *now = &c->foresees->now;
    now->peak_bytes = MAX_OF(now->peak_bytes, weight_bytes(c) + c->foresees->held_bytes + bytes);
}

void foresee_hold(compress *c, int64_t bytes) {
    c->foresees->held_bytes += bytes;
    foresee_memory(c, 0);
}

void foresee_add(compress *c, double flops, double seconds) {
    foresee *f = c->foresees;
    c->flops += flops;
    f->now.flops[WORK_SOLVE] += flops;
    f->now.solve_seconds += seconds * f->times;
}

/* ---- samples ---- */

foresee_pause foresee_stop(compress *c) {
    foresee_pause p = {c->foresees, c->flops, time_seconds()};
    c->foresees = NULL;
    return p;
}

double foresee_go_on(compress *c, const foresee_pause *p) {
    c->foresees = p->f;
    c->flops = p->flops;
    return time_seconds() - p->began;
}

/* Twice, the first run being for the caches. */
static status time_rows(compress *c, const product *of, foresee_work *work, const void *user,
                        double *seconds) {
    rng r = rng_make(1, rng_stream("sample"));
    int64_t cells = SAMPLE_ROWS * of->k;
    status st = STATUS_OK;
    for (int i = 0; i < 2 && st == STATUS_OK; i++) {
        weight w = {.name = of->w->name, .owned = true};
        product small = {&w, of->layer, SAMPLE_ROWS, of->k, of->input};
        float *x = context_alloc(c->cx, (size_t)cells * sizeof *x);
        if (!x) return STATUS_NO_MEMORY;
        for (int64_t j = 0; j < cells; j++) x[j] = (float)rng_normal(&r);
        w.t =
            (tensor){.format = num_find("f32"), .rank = 2, .dim = {SAMPLE_ROWS, of->k}, .data = x};
        foresee_pause pause = foresee_stop(c);
        st = work(c, &small, user);
        *seconds = foresee_go_on(c, &pause);
        context_release(c->cx, w.t.data);
    }
    *seconds /= SAMPLE_ROWS;
    return st;
}

status foresee_solve(compress *c, const product *p, double flops, foresee_work *work,
                     const void *user) {
    foresee *f = c->foresees;
    foresee_timing *t = f->timing, *end = t + f->timings;
    while (work && t < end && (t->work != work || t->k != p->k)) t++;
    if (work && t == end) {
        if (f->timings == FORESEE_TIMINGS)
            t = f->timing; /* so many shapes: measured again */
        else
            f->timings++;
        *t = (foresee_timing){.work = work, .k = p->k};
        TRY(time_rows(c, p, work, user, &t->seconds));
    }
    foresee_add(c, flops, work ? t->seconds * (double)p->n : 0);
    return STATUS_OK;
}

/* ---- the whole chain ---- */

static status open_model(compress *c, const foresee_options *o) {
    TRY(o->how.model ? weights_open(c, o->how.model)
                     : weights_imagine(c, o->config, o->format, o->user));
    return products_find(c);
}

/* The text, or one of the length that is asked for, whose ids nobody reads. */
static status open_text(compress *c, const foresee_options *o) {
    const compress_options *how = &o->how;
    if (!c->def->logits) return STATUS_OK;
    if (how->calib && how->model) return calibrate_open(c, how);
    int64_t most = c->config.positions > 0 ? c->config.positions : how->calib_length;
    c->text =
        (calibration){.sequences = how->calib_sequences, .length = MIN_OF(how->calib_length, most)};
    c->text.ids = ARENA_NEW(c->memory, int32_t, 1);
    return c->text.ids ? STATUS_OK : STATUS_NO_MEMORY;
}

static status work(compress *c, const foresee_options *o, arena *mem, foresight *out) {
    foresee f = {.o = o, .times = 1};
    chain k = {0};
    TRY(chain_bind(c->memory, &o->how, &k));
    TRY(pool_new(c->cx, o->how.threads, &c->workers));
    c->foresees = &f;
    TRY(open_model(c, o));
    TRY(open_text(c, o));
    TRY(chain_check(c, &o->how, &k));
    if (o->begin) TRY(o->begin(o->see_user));
    weights_count(c, &out->before.parameters, &out->before.bytes);
    out->step = ARENA_NEW(mem, foreseen, k.r.count + 1);
    if (!out->step) return STATUS_NO_MEMORY;
    for (f.step = 0; f.step < k.r.count; f.step++) {
        f.now = (foreseen){.method = k.methods[f.step]->name};
        f.timings = 0;
        TRY(chain_apply(c, &k, f.step));
        foresee_memory(c, 0);
        weights_count(c, &f.now.parameters, &f.now.bytes);
        out->step[out->count++] = f.now;
    }
    return STATUS_OK;
}

status foresee_run(arena *mem, const foresee_options *o, foresight *out) {
    context *cx = mem->cx;
    arena memory = arena_make(cx);
    compress c = {.cx = cx, .memory = &memory, .seed = (uint64_t)o->how.seed};
    *out = (foresight){0};
    status st = work(&c, o, mem, out);
    weights_close(&c);
    calibrate_close(&c);
    pool_free(c.workers);
    arena_free(&memory);
    return st;
}
