/* Distillation (Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a neural network"): the model learns from
 * what a teacher makes of each token. With the teacher's likeliest ids k, their odds q at temperature T, and the
 * student's p at T,
 *   loss = share T^2 sum_k q_k (-log p_k) + (1 - share) cross-entropy + hidden mean (h - h_teacher)^2
 * The student is the model as the methods before left it, or, by `preset`, a new one of the parent's vocabulary. The
 * teacher is the parent of the chain, or a model that is named. */
#include "compress/kit/foresee.h"
#include "compress/kit/learn.h"
#include "compress/kit/teacher.h"
#include "ops/binary.h"
#include "ops/gather.h"
#include "ops/reduce.h"
#include "ops/scale.h"
#include "ops/softmax.h"
#include "ops/unary.h"
#include <string.h>

typedef struct distill_options {
    const char *teacher;
    LEARN_MEMBERS;
    const char *preset;
    double temperature, share, hidden;
    int64_t top;
} distill_options;

static const option_def options[] = {
    OPTION(distill_options, teacher, OPTION_STRING,
           .help = "a model's folder or GGUF file; else the parent"),
    LEARN_OPTIONS(distill_options, "3e-4"),
    OPTION(distill_options, preset, OPTION_STRING,
           .help = "start a new student of this size, such as 1m, instead of the model"),
    OPTION(distill_options, temperature, OPTION_DOUBLE, .initial = "2", RANGE_ABOVE(0, 100),
           .help = "what logits are divided by"),
    OPTION(distill_options, share, OPTION_DOUBLE, .initial = "0.5", RANGE(0, 1),
           .help = "how much the teacher counts beside the text"),
    OPTION(distill_options, hidden, OPTION_DOUBLE, .initial = "0", RANGE(0, 1e6),
           .help = "how much the rows of the last layer count, of a teacher as wide"),
    OPTION(distill_options, top, OPTION_INT, .initial = "64", RANGE(1, 4096),
           .help = "ids of the teacher's that are kept for a token"),
    {0}};

static status check(compress *c, const void *options_) {
    const distill_options *o = options_;
    learn_options l = LEARN_OF(o);
    model *m;
    if (o->preset && c->step)
        FAIL(c->cx, STATUS_BAD_ARGUMENT,
             "a new student comes first in a recipe: it would forget what was done before it");
    if (o->preset) TRY(weights_restart(c, o->preset));
    if (o->teacher) {
        TRY_NOTE(c->cx, model_open(c->cx, o->teacher, &m), "the teacher");
        model_close(m);
        TRY(provenance_reads(c, o->teacher, true));
    }
    return learn_check(c, &l);
}

typedef struct distillation {
    const distill_options *o;
    teacher *t;
    const compress *c;
} distillation;

static value input_like(graph *g, const char *name, value rows, const char *format,
                        int64_t columns) {
    extent dim[2] = {value_type(g, rows)->dim[0], extent_of(columns)};
    return graph_input(g, name, type_of(num_find(format), 2, dim));
}

static value loss(void *user, graph *g, value hidden, value logits, value each) {
    const distillation *d = user;
    const distill_options *o = d->o;
    int64_t top = MIN_OF(o->top, d->c->config.vocabulary);
    value ids = input_like(g, "teacher.ids", logits, "i32", top);
    value odds = input_like(g, "teacher.odds", logits, "f32", top);
    value odds_of_student = build_log_softmax(g, build_scale(g, logits, 1 / o->temperature, 0));
    value told = build_sum(g, build_mul(g, odds, build_take(g, odds_of_student, ids)), 2, false);
    value taught = build_scale(g, told, -o->share * o->temperature * o->temperature, 0);
    value sum = build_add(g, build_scale(g, each, 1 - o->share, 0), taught);
    if (!o->hidden) return sum;
    value rows = input_like(g, "teacher.hidden", logits, "f32", d->c->config.hidden);
    value apart = build_mean(g, build_square(g, build_sub(g, hidden, rows)), 2, false);
    return build_add(g, sum, build_scale(g, apart, o->hidden, 0));
}

/* The part of an input that belongs to window number i of a step. */
static void put(const plan *p, const char *name, int64_t i, int64_t length, const void *from) {
    const tensor *t = plan_tensor(p, plan_find_input(p, name));
    size_t bytes = (size_t)(length * num_row_bytes(t->format, t->dim[1]));
    memcpy((char *)t->data + (size_t)i * bytes, from, bytes);
}

static status fill(void *user, plan *p, const learn_windows *w) {
    const distillation *d = user;
    for (int64_t i = 0; i < w->count; i++) {
        lesson l;
        TRY(teacher_ask(d->t, w->drawn[i], w->ids + w->drawn[i] * w->length, &l));
        put(p, "teacher.ids", i, w->length, l.ids);
        put(p, "teacher.odds", i, w->length, l.odds);
        if (l.hidden) put(p, "teacher.hidden", i, w->length, l.hidden);
    }
    return STATUS_OK;
}

static status apply(compress *c, const void *options_) {
    const distill_options *o = options_;
    learn_options l = LEARN_OF(o);
    distillation d = {.o = o, .c = c};
    l.length = learn_length(c, &l);
    teacher_options how = {.path = o->teacher,
                           .length = l.length,
                           .top = o->top,
                           .temperature = o->temperature,
                           .hidden = o->hidden > 0};
    TRY(teacher_open(c, &how, &d.t));
    int64_t held = c->foresees ? c->foresees->held_bytes : 0;
    if (c->foresees) teacher_foresee(d.t, learn_windows_seen(c, &l));
    status st = learn_run(c, &l, &(learn_way){.user = &d, .loss = loss, .fill = fill});
    teacher_close(d.t);
    if (c->foresees) c->foresees->held_bytes = held;
    return st;
}

extern const compress_method compress_distill;
const compress_method compress_distill = {
    .name = "distill",
    .help = "learn what a teacher makes of a text",
    .options = options,
    .options_bytes = sizeof(distill_options),
    .calibrates = true,
    .check = check,
    .apply = apply,
};
