#include "compress/kit/learn.h"
#include "base/rng.h"
#include "compress/kit/foresee.h"
#include "train/lr_schedule.h"
#include "train/score.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Which of a product's values stay zero: one bit each. */
typedef struct mask {
    const char *name;
    uint8_t *kept;
} mask;

typedef struct learner {
    compress *c;
    learn_options options;
    const learn_way *way;
    const token_list *ids;
    arena mem;
    states *store;
    step *s;
    value hidden; /* in the graph that is being built */
    mask *masks;
    int64_t n_masks, windows;
    int32_t *batch_ids, *targets, *positions, *offsets;
    int64_t *drawn;
} learner;

/* ---- the text ---- */

int64_t learn_length(const compress *c, const learn_options *o) {
    return c->config.positions > 0 ? MIN_OF(o->length, c->config.positions) : o->length;
}

static const char *text_of(const compress *c, const learn_options *o) {
    return o->text ? o->text : c->text.path;
}

static status read_text(compress *c, const learn_options *o, const token_list **ids,
                        int64_t *windows) {
    int64_t length = learn_length(c, o);
    TRY(calibrate_ids(c, text_of(c, o), ids));
    *windows = ((*ids)->count - 1) / length;
    if (*windows >= 1) return STATUS_OK;
    FAIL(c->cx, STATUS_BAD_ARGUMENT,
         "the text '%s' has %lld tokens, and a window takes %lld and the one behind it: give a "
         "longer one, or a smaller length",
         text_of(c, o), (long long)(*ids)->count, (long long)length);
}

status learn_check(compress *c, const learn_options *o) {
    const token_list *ids;
    int64_t windows;
    if (c->foresees && !text_of(c, o)) return STATUS_OK; /* taken as long enough */
    if (o->text) TRY(provenance_reads(c, o->text, false));
    return read_text(c, o, &ids, &windows);
}

double learn_windows_seen(compress *c, const learn_options *o) {
    const token_list *ids;
    int64_t windows = 0;
    double drawn = (double)o->steps * (double)o->batch;
    bool known = text_of(c, o) && read_text(c, o, &ids, &windows) == STATUS_OK;
    return known ? (double)windows * (1 - pow(1 - 1 / (double)windows, drawn)) : drawn;
}

/* ---- weights ---- */

static value logits(void *user, graph *g, value ids, value positions, value offsets,
                    double dropout) {
    learner *l = user;
    model_build b = {.g = g, .config = &l->c->config, .def = l->c->def, .dropout = dropout};
    l->hidden = model_hidden(&b, (model_inputs){ids, positions, offsets});
    return graph_status(g) == STATUS_OK ? model_logits(&b, l->hidden) : NO_VALUE;
}

static value loss(void *user, graph *g, value out, value each) {
    learner *l = user;
    return l->way->loss ? l->way->loss(l->way->user, g, l->hidden, out, each) : each;
}

/* Codes stay as they are: what is left to learn is the floats around them. */
static bool is_coded(const weight *w) {
    return w->t.format->kind == NUM_BLOCK;
}

static bool learns(void *user, const char *name) {
    const learner *l = user;
    const weight *w = weights_find(l->c, name);
    return w && !is_coded(w);
}

static void between(void *user, states *store) {
    learner *l = user;
    if (l->way->between) l->way->between(l->way->user, store);
}

static status fill(void *user, states *store, const graph *g) {
    learner *l = user;
    for (int32_t id = 0; id < g->n_nodes; id++) {
        const node *n = g->nodes[id];
        state *item;
        if (n->op != &op_state || n->tag != TAG_PARAMETER) continue;
        bool known = states_find(store, n->name);
        const weight *w = weights_find(l->c, n->name);
        if (!w) FAIL(l->c->cx, STATUS_BUG, "there is no weight '%s'", n->name);
        TRY(states_bind(store, g, n, &item));
        if (!known) weights_values(w, item->t.data);
    }
    return model_fill_tables(&l->c->config, store, g);
}

/* ---- what is pruned ---- */

static status find_masks(learner *l) {
    compress *c = l->c;
    l->masks = ARENA_NEW(&l->mem, mask, c->n_products + 1);
    if (!l->masks) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < c->n_products && c->facts & COMPRESS_SPARSE; i++) {
        const char *name = c->products[i].w->name;
        if (is_coded(c->products[i].w)) continue;
        const state *w = states_find(l->store, name);
        int64_t n = tensor_elems(&w->t);
        mask *m = &l->masks[l->n_masks++];
        *m = (mask){name, ARENA_NEW(&l->mem, uint8_t, div_up(n, 8))};
        if (!m->kept) return STATUS_NO_MEMORY;
        for (int64_t j = 0; j < n; j++)
            m->kept[j / 8] |= (uint8_t)((((const float *)w->t.data)[j] != 0) << j % 8);
    }
    return STATUS_OK;
}

static void apply_masks(const learner *l) {
    for (int64_t i = 0; i < l->n_masks; i++) {
        const state *w = states_find(l->store, l->masks[i].name);
        float *x = w->t.data;
        for (int64_t j = 0; j < tensor_elems(&w->t); j++)
            if (!(l->masks[i].kept[j / 8] >> j % 8 & 1)) x[j] = 0;
    }
}

/* ---- steps ---- */

static status open_step(learner *l) {
    compress *c = l->c;
    step_options o = {.tokens = l->options.batch * l->options.length,
                      .sequences = l->options.batch,
                      .gathers = true, /* so that weights may be touched between steps */
                      .clip = 1,
                      .optimiser = optimiser_find("adamw"),
                      .optimiser_options = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8},
                      .seed = c->seed,
                      .dry_run = c->foresees};
    step_model m = {.logits = logits,
                    .fill = fill,
                    .loss = loss,
                    .between = between,
                    .learns = learns,
                    .user = l};
    l->store = states_new(c->cx);
    if (!l->store) return STATUS_NO_MEMORY;
    TRY(step_new(c->cx, &m, &o, l->store, c->workers, &l->s));
    return c->foresees ? STATUS_OK : find_masks(l);
}

static status make_room(learner *l) {
    int64_t length = l->options.length, count = l->options.batch;
    l->batch_ids = ARENA_NEW(&l->mem, int32_t, count * length);
    l->targets = ARENA_NEW(&l->mem, int32_t, count * length);
    l->positions = ARENA_NEW(&l->mem, int32_t, count * length);
    l->offsets = ARENA_NEW(&l->mem, int32_t, count + 1);
    l->drawn = ARENA_NEW(&l->mem, int64_t, count);
    if (!l->batch_ids || !l->targets || !l->positions || !l->offsets || !l->drawn)
        return STATUS_NO_MEMORY;
    for (int64_t i = 0; i <= count; i++) l->offsets[i] = (int32_t)(i * length);
    for (int64_t i = 0; i < count * length; i++) l->positions[i] = (int32_t)(i % length);
    return STATUS_OK;
}

static step_batch draw(learner *l, rng *r) {
    int64_t length = l->options.length, count = l->options.batch;
    for (int64_t i = 0; i < count; i++) {
        l->drawn[i] = (int64_t)rng_below(r, (uint64_t)l->windows);
        const int32_t *from = l->ids->ids + l->drawn[i] * length;
        memcpy(l->batch_ids + i * length, from, (size_t)length * sizeof *from);
        memcpy(l->targets + i * length, from + 1, (size_t)length * sizeof *from);
    }
    return (step_batch){l->batch_ids, l->targets, l->positions, l->offsets, count * length, count};
}

static status take_steps(learner *l) {
    const learn_options *o = &l->options;
    const learn_way *way = l->way;
    lr_schedule rate = {SCHEDULE_COSINE, div_up(o->steps, 10), o->steps, .final = 0.1};
    rng r = rng_make(l->c->seed, rng_stream("learn"));
    char note[48];
    progress_end(&l->c->progress);
    progress_begin(&l->c->progress, "learning", o->steps);
    for (int64_t i = 1; i <= o->steps; i++) {
        step_result result;
        step_batch b = draw(l, &r);
        learn_windows w = {l->ids->ids, l->drawn, o->batch, o->length};
        if (way->fill) {
            TRY(score_bind(l->s->learn, &b));
            TRY(way->fill(way->user, l->s->learn, &w));
        }
        if (way->before) way->before(way->user, l->store);
        TRY(step_run(l->s, &b, 1, o->lr * lr_schedule_at(&rate, i), i, &result));
        apply_masks(l);
        l->c->flops += step_flops(l->s);
        if (!(result.loss < 1e30))
            FAIL(l->c->cx, STATUS_BAD_DATA, "the loss is %g at step %lld: try a smaller lr",
                 result.loss, (long long)i);
        snprintf(note, sizeof note, "loss %.3f", result.loss);
        progress_show(&l->c->progress, i, note);
    }
    return STATUS_OK;
}

static status take_weights(const learner *l) {
    compress *c = l->c;
    for (int64_t i = 0; i < c->n_weights; i++) {
        const state *s = states_find(l->store, c->weights[i].name);
        if (s && !is_coded(&c->weights[i])) TRY(weights_set_values(c, &c->weights[i], s->t.data));
    }
    return STATUS_OK;
}

/* A dry run's: all weights are read, and made anew as they are. */
static void foresee_learning(learner *l) {
    compress *c = l->c;
    const step *s = l->s;
    double steps = (double)l->options.steps;
    for (int64_t i = 0; i < c->n_weights; i++) c->weights[i].held = true;
    foresee_memory(c, step_planned_bytes(s) + step_state_bytes(s));
    foresee_plan(c, WORK_LEARN, s->learn, step_flops(s), steps);
    foresee_plan(c, WORK_LEARN, s->update, 0, steps);
}

static status learn(learner *l) {
    if (l->c->foresees) {
        TRY(open_step(l));
        foresee_learning(l);
        return STATUS_OK;
    }
    TRY(read_text(l->c, &l->options, &l->ids, &l->windows));
    TRY(open_step(l));
    TRY(make_room(l));
    TRY(take_steps(l));
    return take_weights(l);
}

status learn_run(compress *c, const learn_options *o, const learn_way *way) {
    learner l = {.c = c, .options = *o, .way = way, .mem = arena_make(c->cx), .hidden = NO_VALUE};
    l.options.length = learn_length(c, o);
    status st = learn(&l);
    step_free(l.s);
    states_free(l.store);
    arena_free(&l.mem);
    return st;
}
