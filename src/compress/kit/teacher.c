#include "compress/kit/teacher.h"
#include "compress/kit/foresee.h"
#include "compress/kit/stage.h"
#include "ops/cast.h"
#include "ops/scale.h"
#include "ops/softmax.h"
#include "ops/topk.h"
#include "train/score.h"
#include <string.h>

extern const rewrite_def rewrite_fuse;

typedef struct kept {
    int64_t window;
    lesson l;
} kept;

struct teacher {
    compress *c;
    teacher_options options;
    model *own, *m; /* own: opened here; m: NULL in a dry run of a model that is nowhere yet */
    const model_config *config;
    states *store;
    graph *g;
    plan *p;
    arena mem;
    kept *lessons; /* by number of the window */
    int64_t n_lessons, room;
    int32_t *positions;
};

static value as_f32(graph *g, value x) {
    const num_format *f32 = num_find("f32");
    return value_type(g, x)->format == f32 ? x : build_cast(g, x, f32);
}

static status build(teacher *t) {
    const teacher_options *o = &t->options;
    uint32_t facts = 0;
    graph *g = t->g = graph_new(t->c->cx);
    if (!g) return STATUS_NO_MEMORY;
    score_inputs in = score_build_inputs(g, o->length, 1);
    model_build b = {.g = g,
                     .config = t->config,
                     .def = model_find(t->config->model_type, NULL),
                     .format = t->m ? model_stored_format : t->c->foresees->o->format,
                     .user = t->m ? t->m : t->c->foresees->o->user};
    value hidden = model_hidden(&b, (model_inputs){in.ids, in.positions, in.offsets});
    TRY(graph_status(g));
    value best = build_topk(g, as_f32(g, model_logits(&b, hidden)), (int32_t)o->top);
    value odds = build_softmax(g, build_scale(g, best, 1 / o->temperature, 0));
    graph_mark(g, MARK_OUTPUT, "odds", odds, NO_VALUE);
    graph_mark(g, MARK_OUTPUT, "likely", (value){best.node, best.out + 1}, NO_VALUE);
    if (o->hidden) graph_mark(g, MARK_OUTPUT, "hidden", as_f32(g, hidden), NO_VALUE);
    TRY(graph_status(g));
    return score_rewrite(&rewrite_fuse, NULL, &facts, &t->g);
}

static status open_model(teacher *t) {
    compress *c = t->c;
    t->m = c->parent;
    if (t->options.path) {
        TRY_NOTE(c->cx, model_open(c->cx, t->options.path, &t->own), "the teacher");
        t->m = t->own;
    }
    t->config = t->m ? &t->m->config : c->foresees->o->config;
    if (!model_find(t->config->model_type, NULL)->logits)
        FAIL(c->cx, STATUS_UNSUPPORTED, "the teacher is an encoder, which predicts no text");
    if (t->config->vocabulary != c->config.vocabulary)
        FAIL(c->cx, STATUS_BAD_ARGUMENT,
             "the teacher knows %lld ids and the student %lld: they must share a tokenizer",
             (long long)t->config->vocabulary, (long long)c->config.vocabulary);
    if (t->options.hidden && t->config->hidden != c->config.hidden)
        FAIL(c->cx, STATUS_BAD_ARGUMENT,
             "the teacher's rows are %lld wide and the student's %lld: hidden must be 0",
             (long long)t->config->hidden, (long long)c->config.hidden);
    if (t->config->positions && t->options.length > t->config->positions)
        FAIL(c->cx, STATUS_BAD_ARGUMENT, "the teacher reads %lld tokens, windows have %lld",
             (long long)t->config->positions, (long long)t->options.length);
    return STATUS_OK;
}

static status open_plan(teacher *t) {
    compress *c = t->c;
    plan_options how = {.isa_limit = cpu_isa_best(), .dry_run = c->foresees};
    t->options.top = MIN_OF(t->options.top, t->config->vocabulary);
    t->store = states_new(t->c->cx);
    if (!t->store) return STATUS_NO_MEMORY;
    TRY(build(t));
    if (c->foresees) return plan_new(c->cx, t->g, t->store, c->workers, &how, &t->p);
    TRY(model_load(t->m, t->store, t->g));
    TRY(plan_new(t->c->cx, t->g, t->store, t->c->workers, &how, &t->p));
    t->positions = ARENA_NEW(&t->mem, int32_t, t->options.length);
    if (!t->positions) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < t->options.length; i++) t->positions[i] = (int32_t)i;
    return plan_load(t->p);
}

status teacher_open(compress *c, const teacher_options *o, teacher **out) {
    teacher *t = context_zalloc(c->cx, sizeof *t);
    *out = NULL;
    if (!t) return STATUS_NO_MEMORY;
    *t = (teacher){.c = c, .options = *o, .mem = arena_make(c->cx)};
    status st = open_model(t);
    if (st == STATUS_OK) st = open_plan(t);
    if (st == STATUS_OK)
        *out = t;
    else
        teacher_close(t);
    return st;
}

void teacher_close(teacher *t) {
    if (!t) return;
    plan_free(t->p);
    graph_free(t->g);
    states_free(t->store);
    model_close(t->own);
    context_release(t->c->cx, t->lessons);
    arena_free(&t->mem);
    context_release(t->c->cx, t);
}

const model_config *teacher_config(const teacher *t) {
    return t->config;
}

/* ---- lessons ---- */

/* The first that is not before `window`. */
static int64_t place_of(const teacher *t, int64_t window) {
    int64_t low = 0, high = t->n_lessons;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (t->lessons[middle].window < window)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const void *output(const teacher *t, const char *name, int64_t *bytes) {
    value v = plan_find_output(t->p, name);
    *bytes = value_absent(v) ? 0 : tensor_bytes(plan_tensor(t->p, v));
    return value_absent(v) ? NULL : plan_tensor(t->p, v)->data;
}

static void *copy_of(teacher *t, const char *name) {
    int64_t bytes;
    const void *from = output(t, name, &bytes);
    void *to = from ? arena_alloc(&t->mem, (size_t)bytes) : NULL;
    if (to) memcpy(to, from, (size_t)bytes);
    return to;
}

static status make(teacher *t, const int32_t *ids, lesson *out) {
    int32_t offsets[2] = {0, (int32_t)t->options.length};
    step_batch b = {ids, ids, t->positions, offsets, t->options.length, 1};
    TRY(score_bind(t->p, &b));
    plan_run(t->p, 0);
    t->c->flops += stage_plan_flops(t->p);
    *out = (lesson){copy_of(t, "likely"), copy_of(t, "odds"), copy_of(t, "hidden")};
    bool whole = out->ids && out->odds && (out->hidden || !t->options.hidden);
    return whole ? STATUS_OK : STATUS_NO_MEMORY;
}

static status make_room(teacher *t) {
    if (t->n_lessons < t->room) return STATUS_OK;
    int64_t room = t->room ? 2 * t->room : 64;
    kept *more = context_alloc(t->c->cx, (size_t)room * sizeof *more);
    if (!more) return STATUS_NO_MEMORY;
    if (t->n_lessons) memcpy(more, t->lessons, (size_t)t->n_lessons * sizeof *more);
    context_release(t->c->cx, t->lessons);
    t->lessons = more;
    t->room = room;
    return STATUS_OK;
}

status teacher_ask(teacher *t, int64_t window, const int32_t *ids, lesson *out) {
    int64_t at = place_of(t, window);
    if (at == t->n_lessons || t->lessons[at].window != window) {
        lesson l;
        TRY(make_room(t));
        TRY(make(t, ids, &l));
        memmove(t->lessons + at + 1, t->lessons + at,
                (size_t)(t->n_lessons - at) * sizeof *t->lessons);
        t->lessons[at] = (kept){window, l};
        t->n_lessons++;
    }
    *out = t->lessons[at].l;
    return STATUS_OK;
}

void teacher_foresee(teacher *t, double windows) {
    int64_t lesson_bytes =
        t->options.length * (t->options.top * 8 + (t->options.hidden ? t->config->hidden * 4 : 0));
    foresee_hold(t->c, foresee_plan_bytes(t->c, t->p) + (int64_t)windows * lesson_bytes);
    foresee_plan(t->c, WORK_CALIBRATE, t->p, stage_plan_flops(t->p), windows);
}
