#include "train/trainer.h"
#include "base/log.h"
#include "base/time.h"
#include <math.h>
#include <string.h>

enum { SPIKE_STEPS = 20 }; /* of the running mean, and before which nothing is a spike */
static const double window_least_seconds = 0.25;

char *trainer_checkpoint_path(const char *folder, const char *which, arena *mem) {
    return arena_printf(mem, "%s/checkpoint-%s.safetensors", folder, which);
}

/* Room for one step's micro-batches: a source's memory only lasts until its next batch. */
static status make_room(trainer *t) {
    const step_options *o = &t->s->options;
    t->batches = ARENA_NEW(&t->mem, step_batch, t->options.parts);
    for (int64_t i = 0; t->batches && i < t->options.parts; i++) {
        step_batch *b = &t->batches[i];
        b->ids = ARENA_NEW(&t->mem, int32_t, o->tokens);
        b->targets = ARENA_NEW(&t->mem, int32_t, o->tokens);
        b->positions = ARENA_NEW(&t->mem, int32_t, o->tokens);
        b->offsets = ARENA_NEW(&t->mem, int32_t, o->sequences + 1);
        if (!b->ids || !b->targets || !b->positions || !b->offsets) return STATUS_NO_MEMORY;
    }
    return t->batches ? STATUS_OK : STATUS_NO_MEMORY;
}

status trainer_begin(context *cx, const trainer_options *o, step *s, score *judge,
                     train_source learn, train_source validation, train_watch watch, trainer *out) {
    *out = (trainer){.cx = cx,
                     .options = *o,
                     .s = s,
                     .judge = judge,
                     .learn = learn,
                     .validation = validation,
                     .watch = watch,
                     .mem = arena_make(cx),
                     .texts = arena_make(cx)};
    out->at =
        (progress_state){.validation_loss = NAN, .best_loss = INFINITY, .data = "", .job = o->job};
    step_average_begin(s);
    return make_room(out);
}

void trainer_end(trainer *t) {
    if (!t->cx) return;
    arena_free(&t->mem);
    arena_free(&t->texts);
    *t = (trainer){0};
}

/* ---- checkpoints ---- */

static status save(trainer *t, const char *which) {
    char *path = trainer_checkpoint_path(t->options.folder, which, &t->texts);
    if (!path) return STATUS_NO_MEMORY;
    if (t->watch.saving) TRY(t->watch.saving(t->watch.user));
    TRY(t->learn.place(t->learn.user, &t->texts, &t->at.data));
    return checkpoint_write(t->cx, path, t->s->store, &t->at);
}

static status save_last(trainer *t) {
    if (t->saved_step == t->at.step) return STATUS_OK;
    TRY(save(t, "last"));
    t->saved_step = t->at.step;
    t->saved_seconds = time_seconds();
    return STATUS_OK;
}

static status load(trainer *t, bool with_data) {
    progress_state at;
    char *path = trainer_checkpoint_path(t->options.folder, "last", &t->texts);
    if (!path) return STATUS_NO_MEMORY;
    TRY(checkpoint_read(t->cx, path, t->s->store, &t->texts, &at));
    TRY_NOTE(t->cx, checkpoint_same_job(t->cx, at.job, t->options.job), "checkpoint '%s'", path);
    if (with_data) TRY(t->learn.seek(t->learn.user, at.data));
    t->at = at;
    t->at.job = t->options.job;
    t->saved_step = at.step;
    if (t->s->learn->loaded) TRY(plan_load(t->s->learn));
    return STATUS_OK;
}

status trainer_resume(trainer *t) {
    return load(t, true);
}

/* ---- evaluation ---- */

static status sum_losses(trainer *t, double *sum, int64_t *count) {
    step_batch b;
    bool more;
    TRY(t->validation.seek(t->validation.user, ""));
    for (int64_t i = 0; !t->options.evaluate_batches || i < t->options.evaluate_batches; i++) {
        const float *each;
        TRY(t->validation.next(t->validation.user, &b, &more));
        if (!more) break;
        TRY(score_run(t->judge, &b, i == 0, &each));
        for (int64_t k = 0; k < b.tokens; k++) {
            *sum += (double)each[k];
            *count += b.targets[k] >= 0;
        }
    }
    if (!*count) FAIL(t->cx, STATUS_BAD_DATA, "the validation split has no token to predict");
    return STATUS_OK;
}

status trainer_evaluate(trainer *t, double *loss) {
    double sum = 0;
    int64_t count = 0;
    step_average_exchange(t->s);
    status st = sum_losses(t, &sum, &count);
    step_average_exchange(t->s);
    *loss = count ? sum / (double)count : NAN;
    return st;
}

static status evaluate(trainer *t) {
    TRY(trainer_evaluate(t, &t->at.validation_loss));
    t->evaluated = true;
    if (t->at.validation_loss < t->at.best_loss) {
        t->at.best_loss = t->at.validation_loss;
        t->at.best_step = t->at.step;
    }
    return STATUS_OK;
}

/* ---- the loop ---- */

static status fetch(trainer *t) {
    double begin = time_seconds();
    for (int64_t i = 0; i < t->options.parts; i++) {
        step_batch b, *to = &t->batches[i];
        bool more;
        TRY(t->learn.next(t->learn.user, &b, &more));
        if (!more) FAIL(t->cx, STATUS_BAD_DATA, "the training data has ended");
        memcpy((void *)to->ids, b.ids, (size_t)b.tokens * sizeof *b.ids);
        memcpy((void *)to->targets, b.targets, (size_t)b.tokens * sizeof *b.ids);
        memcpy((void *)to->positions, b.positions, (size_t)b.tokens * sizeof *b.ids);
        memcpy((void *)to->offsets, b.offsets, (size_t)(b.sequences + 1) * sizeof *b.ids);
        to->tokens = b.tokens;
        to->sequences = b.sequences;
    }
    t->window_stalled += time_seconds() - begin;
    return STATUS_OK;
}

/* What went wrong with this step, as an error; OK when nothing did. */
static status examine(trainer *t, const step_result *r) {
    int64_t number = t->at.step + 1, count;
    if (!isfinite(r->loss) || !isfinite(r->norm)) {
        const char *name = step_blame(t->s, &count);
        if (!name)
            FAIL(t->cx, STATUS_BAD_DATA, "step %lld: the loss is %g", (long long)number, r->loss);
        FAIL(t->cx, STATUS_BAD_DATA,
             "step %lld: the gradient of '%s' is not finite (loss %g, %lld of %d gradients are "
             "not); a lower lr, clipping or a longer warm-up may help",
             (long long)number, name, r->loss, (long long)count, t->s->n_parameters);
    }
    if (t->options.spike && number > SPIKE_STEPS &&
        r->loss > t->options.spike * t->at.running_loss) {
        const char *name = step_largest(t->s);
        FAIL(t->cx, STATUS_BAD_DATA,
             "step %lld: the loss jumped to %g, %.3g times its mean of late; the largest gradient "
             "is that of '%s'",
             (long long)number, r->loss, r->loss / t->at.running_loss, name);
    }
    t->at.running_loss += (r->loss - t->at.running_loss) / (double)MIN_OF(number, SPIKE_STEPS);
    return STATUS_OK;
}

/* Goes back to the last checkpoint but not to its place in the data, if that is still allowed. */
static status rewind_or_fail(trainer *t, status why) {
    if (why != STATUS_BAD_DATA || t->at.rewinds >= t->options.rewinds)
        return context_note(t->cx, why, "the last checkpoint, of step %lld, stands",
                            (long long)t->saved_step);
    log_warning("%s; back to step %lld and on with other data", context_error(t->cx),
                (long long)t->saved_step);
    int64_t rewinds = t->at.rewinds + 1;
    TRY(load(t, false));
    t->at.rewinds = rewinds;
    t->saved_step = -1;
    return save_last(t);
}

static bool is_due(const trainer *t) {
    int64_t every = t->options.save_every;
    bool by_steps = every && t->at.step % every == 0;
    return by_steps || time_seconds() - t->saved_seconds > t->options.save_seconds;
}

static status tell(trainer *t, const step_result *r, double lr) {
    train_report report = {.step = t->at.step,
                           .tokens = t->at.tokens,
                           .loss = r->loss,
                           .norm = r->norm,
                           .lr = lr,
                           .seconds = t->at.seconds,
                           .validation = t->evaluated ? t->at.validation_loss : NAN,
                           .best_step = t->at.best_step,
                           .best_loss = t->at.best_loss};
    if (t->window_seconds > 0) {
        report.token_rate = t->window_tokens / t->window_seconds;
        report.flop_rate = t->window_flops / t->window_seconds;
        report.stall_share = t->window_stalled / t->window_seconds;
    }
    t->evaluated = false;
    return t->watch.report ? t->watch.report(t->watch.user, &report) : STATUS_OK;
}

/* Rates are over a window that forgets: it halves whenever it is full. */
static void count_window(trainer *t, const step_result *r, double seconds) {
    if (t->window_seconds > 16 * MAX_OF(window_least_seconds, seconds)) {
        t->window_seconds /= 2, t->window_stalled /= 2, t->window_flops /= 2;
        t->window_tokens /= 2;
    }
    t->window_seconds += seconds;
    t->window_tokens += (double)r->tokens;
    double flops = step_flops(t->s) * (double)t->options.parts;
    t->window_flops += flops;
    t->sitting_flops += flops;
    t->sitting_seconds += seconds;
}

static status one_step(trainer *t) {
    step_result r;
    int64_t number = t->at.step + 1;
    double begin = time_seconds(), lr = t->options.lr * lr_schedule_at(&t->options.rate, number);
    TRY(fetch(t));
    TRY(step_run(t->s, t->batches, t->options.parts, lr, number, &r));
    double seconds = time_seconds() - begin;
    status st = examine(t, &r);
    if (st != STATUS_OK) return rewind_or_fail(t, st);
    t->at.step = number;
    t->at.tokens += r.tokens;
    t->at.seconds += seconds;
    t->at.train_loss = r.loss;
    count_window(t, &r, seconds);
    bool last = number == t->options.rate.steps;
    int64_t every = t->options.evaluate_every;
    bool evaluates = t->judge && every && (number % every == 0 || last);
    if (evaluates) TRY(evaluate(t));
    TRY(tell(t, &r, lr));
    if (evaluates && t->at.best_step == number) TRY(save(t, "best"));
    return evaluates || last || is_due(t) ? save_last(t) : STATUS_OK;
}

status trainer_run(trainer *t) {
    t->saved_seconds = time_seconds();
    if (!t->s->update && !t->s->learn->loaded) TRY(plan_load(t->s->learn));
    if (!t->at.step) {
        t->saved_step = -1;
        TRY(save_last(t));
    }
    while (t->at.step < t->options.rate.steps) {
        if (t->watch.stop && t->watch.stop(t->watch.user)) {
            t->stopped = true;
            return save_last(t);
        }
        TRY(one_step(t));
    }
    return STATUS_OK;
}
