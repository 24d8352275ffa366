/* Random weights in the cache, and timing an engine's steps (cmd/kit/bench_model.h). */
#include "cmd/kit/bench_model.h"
#include "base/cache.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/sort.h"
#include "base/time.h"
#include "cmd/kit/convert.h"
#include "infer/drawn.h"
#include "infer/weights.h"
#include "model/kit/mixture.h"
#include "report/speed.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- weights ---- */

static const num_format *drawn_in(void *user, const char *name, int32_t rank) {
    (void)user, (void)name;
    return num_find(rank > 1 ? "bf16" : "f32");
}

static status make_weights(context *cx, const char *folder, const char *preset) {
    model_config c;
    TRY(model_preset(cx, preset, &c));
    graph *g = graph_new(cx);
    states *s = states_new(cx);
    status st = g && s ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        model_build b = {.g = g, .config = &c, .format = drawn_in};
        (void)model_logits(&b, model_hidden(&b, model_build_inputs(g, 1, 1)));
        st = graph_status(g);
    }
    log_info("drawing random weights of %s into %s, once", preset, folder);
    if (st == STATUS_OK) st = model_init(&c, s, g, 1);
    if (st == STATUS_OK) st = model_save(cx, folder, &c, s, "bf16");
    states_free(s);
    graph_free(g);
    return st;
}

static status find_folder(context *cx, arena *mem, const char *preset, const char **out) {
    char name[128], path[4096];
    snprintf(name, sizeof name, "models/%s/config.json", preset);
    if (!cache_path(name, path, sizeof path))
        FAIL(cx, STATUS_BAD_ARGUMENT,
             "there is no place for random weights: XDG_CACHE_HOME and HOME are not set");
    bool ready = file_exists(path);
    *out = arena_strndup(mem, path, strlen(path) - strlen("/config.json"));
    if (!*out) return STATUS_NO_MEMORY;
    return ready ? STATUS_OK : make_weights(cx, *out, preset);
}

status bench_model_find(context *cx, arena *mem, const char *preset, const char *format,
                        const char **out) {
    const char *folder;
    TRY(find_folder(cx, mem, preset, &folder));
    *out = strcmp(format, "bf16") ? arena_printf(mem, "%s.%s.gguf", folder, format) : folder;
    if (!*out) return STATUS_NO_MEMORY;
    if (file_exists(*out)) return STATUS_OK;
    log_info("rounding them to %s, once", format);
    return convert(cx, mem, &(conversion){folder, *out, format, true});
}

status bench_model_begin(bench_model *x, arena *mem, const char *trained) {
    const num_format *f = num_find(x->format);
    const char *path = trained;
    if (!mixture_knows(x->format)) return mixture_unknown(x->cx, x->format);
    if (f && (trained || !gguf_dtype_of_name(f->name))) x->matrices = f;
    if (!trained)
        TRY(bench_model_find(x->cx, mem, x->preset, x->matrices ? "bf16" : x->format, &path));
    TRY(model_open(x->cx, path, &x->m));
    x->m->config.upright |= x->matrices != NULL; /* blocks lie along the inputs */
    return STATUS_OK;
}

/* ---- opening ---- */

/* What only folders hold is, as compressing has it, of the layers' matrices. */
static const num_format *matrices_in(void *user, const char *name, int32_t rank) {
    const bench_model *x = user;
    bool outside = mixture_is_outside(name) && !gguf_dtype_of_name(x->format);
    if (!x->matrices || outside) return model_stored_format(x->m, name, rank);
    return rank > 1 ? x->matrices : num_find("f32");
}

static roof_kind arithmetic_of(const bench_model *x, const num_format *f) {
    if (x->act && !strcmp(x->act, "int8_row")) return ROOF_INT8;
    if (f->kept) return ROOF_BF16;
    if (f->kind == NUM_BLOCK) return ROOF_INT8;
    return f->block_bytes == 2 ? ROOF_BF16 : ROOF_F32;
}

static status fill(void *user, states *store, const graph *g) {
    bench_model *x = user;
    int64_t most = 0;
    TRY(model_load(x->m, store, g));
    x->weight_bytes = 0;
    for (int32_t i = 0; i < states_count(store); i++) {
        const state *s = states_at(store, i);
        if (s->tag != TAG_PARAMETER || s->t.rank < 2) continue;
        x->weight_bytes += s->size_bytes;
        if (s->size_bytes > most) x->arithmetic = arithmetic_of(x, s->t.format);
        most = MAX_OF(most, s->size_bytes);
    }
    return STATUS_OK;
}

status bench_model_open(bench_model *x) {
    int64_t positions = x->m->config.positions;
    engine_options o = {.context = positions > 0 ? MIN_OF(positions, 1024) : 1024,
                        .kv_tokens = 32 * 512,
                        .forgets_prefixes = true,
                        .act = x->act,
                        .unfused = x->unfused};
    return bench_model_open_as(x, &o);
}

status bench_model_open_as(bench_model *x, const engine_options *o) {
    engine_model m = {.config = &x->m->config,
                      .def = x->m->def,
                      .format = matrices_in,
                      .fill = fill,
                      .user = x,
                      .key = hash_xxh64(x->format, strlen(x->format), weights_key(x->m)),
                      .file = x->m};
    engine_options own = *o;
    own.workers = x->b->workers;
    engine_close(x->e);
    x->e = NULL;
    double begin = time_seconds();
    TRY(engine_open(x->cx, &m, &own, &x->e));
    x->opened_seconds = time_seconds() - begin;
    return STATUS_OK;
}

/* ---- timing steps ---- */

/* Seconds that the last step's work takes at least, by the roofs measured now. */
static double least_seconds(bench_model *x, double flops) {
    roof_kind kind = x->arithmetic;
    const roof_def *rate = bench_roof_best(x->b, kind), *read = bench_roof_best(x->b, ROOF_READ);
    double arithmetic = rate ? flops / bench_roof_sample(x->b, rate, x->b->rounds[kind]) : 0;
    double memory =
        read ? (double)x->weight_bytes / bench_roof_sample(x->b, read, x->b->rounds[ROOF_READ]) : 0;
    return fmax(arithmetic, memory);
}

static double flops_of_step(const plan *p) {
    double flops = 0;
    for (int32_t k = p->n_load; k < p->n_steps; k++) {
        cost one = {0};
        if (p->steps[k].skipped || !p->steps[k].node->op->cost) continue;
        p->steps[k].node->op->cost(&p->steps[k].c, &one);
        flops += one.flops;
    }
    return flops;
}

/* Samples, and what each would have taken at least by roofs measured just before it. */
typedef struct series {
    bench_model *x;
    speed_series took;
    double least[SPEED_SAMPLES];
} series;

static void measure_least(void *user, int64_t sample) {
    series *s = user;
    s->least[sample] = least_seconds(s->x, flops_of_step(engine_plan(s->x->e)));
}

/* Medians: `tokens` in each sample. */
static bench_result result_of(series *s, double tokens) {
    double share[SPEED_SAMPLES];
    for (int64_t i = 0; i < s->took.n; i++) share[i] = s->least[i] / s->took.seconds[i];
    return (bench_result){.value = tokens / sort_median(s->took.seconds, s->took.n),
                          .roof = tokens / sort_median(s->least, s->took.n),
                          .share = sort_median(share, s->took.n),
                          .most = 1};
}

typedef struct op_time {
    const char *name;
    double seconds;
    int64_t calls;
} op_time;

static int slower_first(const void *a, const void *b) {
    double x = ((const op_time *)a)->seconds, y = ((const op_time *)b)->seconds;
    return (x < y) - (x > y);
}

/* One more step with its times, by kernel. */
static status profile(bench_model *x, const char *what) {
    op_time all[128];
    int32_t n = 0;
    double total = 0;
    plan *p = (plan *)engine_plan(x->e);
    p->trace = true;
    TRY(engine_step(x->e));
    p->trace = false;
    for (int32_t k = p->n_load; k < p->n_steps; k++) {
        const plan_step *s = &p->steps[k];
        if (s->skipped) continue;
        const char *name = s->chosen.kernel ? s->chosen.kernel->name : s->node->op->name;
        int32_t i = 0;
        while (i < n && strcmp(all[i].name, name)) i++;
        if (i == COUNT_OF(all)) continue;
        if (i == n) all[n++] = (op_time){name};
        all[i].seconds += s->seconds;
        all[i].calls++;
        total += s->seconds;
    }
    qsort(all, (size_t)n, sizeof *all, slower_first);
    for (int32_t i = 0; i < n; i++)
        log_info("%s: %-28s %6lld calls %10.1f us %5.1f%%", what, all[i].name,
                 (long long)all[i].calls, 1e6 * all[i].seconds, 100 * all[i].seconds / total);
    return STATUS_OK;
}

status bench_model_prefill(bench_model *x, int64_t tokens, bench_result *out) {
    enum { SAMPLES = 9 };
    series s = {.x = x};
    int64_t vocabulary = x->m->config.vocabulary;
    TRY(speed_prefill(x->e, vocabulary, tokens, SAMPLES, (speed_watch){&s, measure_least},
                      &s.took));
    *out = result_of(&s, (double)tokens);
    if (!x->profile) return STATUS_OK;
    TRY(drawn_submit(x->e, vocabulary, tokens, 1, 99));
    TRY(profile(x, "prefill"));
    return drawn_drain(x->e);
}

status bench_model_decode(bench_model *x, int64_t sequences, int64_t tokens, bench_result *out) {
    series s = {.x = x};
    TRY(speed_decode(x->e, x->m->config.vocabulary, sequences, SPEED_PROMPT, tokens,
                     (speed_watch){&s, measure_least}, &s.took));
    *out = result_of(&s, (double)sequences);
    if (x->profile) TRY(profile(x, "decode"));
    return drawn_drain(x->e);
}
