/* A recipe from text to file: bound, checked, applied, counted (kit/run.h). */
#include "compress/kit/run.h"
#include "base/file.h"
#include "base/time.h"
#include "compress/kit/recipe.h"
#include <string.h>
#include <sys/resource.h>

const compress_method *compress_find(const char *name, const compress_method *const *more) {
    for (int64_t i = 0; more && more[i]; i++)
        if (!strcmp(more[i]->name, name)) return more[i];
    for (int64_t i = 0; registry_compress[i]; i++)
        if (!strcmp(registry_compress[i]->name, name)) return registry_compress[i];
    return NULL;
}

static status no_method(context *cx, const recipe_step *s) {
    enum { MOST_NAMES = 128 };
    const char *names[MOST_NAMES];
    int64_t n = 0;
    for (; registry_compress[n] && n < MOST_NAMES; n++) names[n] = registry_compress[n]->name;
    const char *near = options_nearest(s->name, names, n);
    FAIL(cx, STATUS_BAD_ARGUMENT, "--do, column %lld: there is no method '%s'%s%s%s",
         (long long)s->column, s->name, near ? "; did you mean '" : "", near ? near : "",
         near ? "'?" : "; `hone compress --list` tells all");
}

status chain_bind(arena *mem, const compress_options *o, chain *out) {
    TRY(recipe_parse(mem, o->recipe, &out->r));
    out->methods = ARENA_NEW(mem, const compress_method *, out->r.count);
    out->options = ARENA_NEW(mem, const void *, out->r.count);
    if (!out->methods || !out->options) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < out->r.count; i++) {
        const recipe_step *s = &out->r.steps[i];
        const compress_method *m = out->methods[i] = compress_find(s->name, o->methods);
        if (!m) return no_method(mem->cx, s);
        TRY(recipe_bind(mem, s, m->options, m->options_bytes, &out->options[i]));
        out->calibrates |= m->calibrates;
    }
    return STATUS_OK;
}

static status check_step(compress *c, const compress_method *m, const void *options) {
    if (c->facts & m->forbids & COMPRESS_CODED)
        FAIL(
            c->cx, STATUS_BAD_ARGUMENT,
            "the weights are codes already, which it cannot change: put it before what chose them");
    if (c->facts & m->forbids)
        FAIL(c->cx, STATUS_BAD_ARGUMENT, "it does not go with what was done before it");
    if (m->check) TRY(m->check(c, options));
    c->facts |= m->ensures;
    return STATUS_OK;
}

/* Of the model as it comes: codes of one format, of several, or none. */
static void find_codes(compress *c) {
    for (int64_t i = 0; i < c->n_products; i++) {
        const num_format *f = c->products[i].w->t.format;
        if (f->kind != NUM_BLOCK) continue;
        bool first = !(c->facts & COMPRESS_CODED);
        c->coded = first || c->coded == f ? f : NULL;
        c->facts |= COMPRESS_CODED;
    }
}

status chain_check(compress *c, const compress_options *o, const chain *k) {
    find_codes(c);
    if (!c->foresees && !(c->facts & COMPRESS_CODED)) TRY(products_zeros(c, &c->facts));
    for (int64_t i = 0; i < k->r.count; i++) {
        const recipe_step *s = &k->r.steps[i];
        c->step = i;
        if (k->methods[i]->calibrates && !c->text.ids && !o->calib)
            return recipe_note(c->cx,
                               context_fail(c->cx, STATUS_BAD_ARGUMENT,
                                            "it looks at activations: give a text by --calib"),
                               s);
        if (k->methods[i]->calibrates && !c->def->logits)
            return recipe_note(c->cx,
                               context_fail(c->cx, STATUS_UNSUPPORTED,
                                            "'%s' is an encoder, which predicts no text", o->model),
                               s);
        TRY(recipe_note(c->cx, check_step(c, k->methods[i], k->options[i]), s));
    }
    return STATUS_OK;
}

status chain_apply(compress *c, const chain *k, int64_t i) {
    const compress_method *m = k->methods[i];
    c->step = i;
    progress_begin(&c->progress, m->name, c->config.layers);
    status st = m->apply(c, k->options[i]);
    progress_end(&c->progress);
    TRY(recipe_note(c->cx, st, &k->r.steps[i]));
    return products_find(c);
}

void weights_count(const compress *c, int64_t *parameters, int64_t *bytes) {
    *parameters = *bytes = 0;
    for (int64_t i = 0; i < c->n_weights; i++) {
        *parameters += tensor_elems(&c->weights[i].t);
        *bytes += tensor_bytes(&c->weights[i].t);
    }
}

static void count_weights(const compress *c, compress_result *r) {
    weights_count(c, &r->parameters, &r->bytes);
    r->bits_per_weight = 8.0 * (double)r->bytes / (double)MAX_OF(r->parameters, 1);
}

static status work(compress *c, compress_options *o, compress_result *r) {
    chain k = {0};
    double began = time_seconds();
    TRY(chain_bind(c->memory, o, &k));
    TRY(weights_open(c, o->model));
    TRY(products_find(c));
    if (o->calib && c->def->logits) TRY(calibrate_open(c, o));
    TRY(chain_check(c, o, &k));
    TRY(save_check(c, o));
    TRY(provenance_check(c, o));
    TRY(pool_new(c->cx, o->threads, &c->workers));
    for (int64_t i = 0; i < k.r.count; i++) TRY(chain_apply(c, &k, i));
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    *r = (compress_result){.flops = c->flops,
                           .seconds = time_seconds() - began,
                           .peak_bytes = (int64_t)used.ru_maxrss * 1024};
    TRY(twofour_decide(c, o, r));
    count_weights(c, r);
    return save_model(c, o, r);
}

status compress_run(context *cx, const compress_options *o, compress_result *out) {
    arena memory = arena_make(cx);
    compress c = {
        .cx = cx, .memory = &memory, .seed = (uint64_t)o->seed, .told = o->repeats_sources};
    compress_options decided = *o;
    *out = (compress_result){0};
    status st = file_check_new(cx, o->out);
    if (st == STATUS_OK) st = work(&c, &decided, out);
    weights_close(&c);
    calibrate_close(&c);
    pool_free(c.workers);
    arena_free(&memory);
    return st == STATUS_OK ? st : context_note(cx, st, "compressing '%s'", o->model);
}
