/* A run while it goes: one live line on a terminal, metrics.jsonl, TensorBoard's events, and its row in the run
 * store. Only the first two are the run's own: where the store cannot be written, the run goes on and says so. */
#include "base/cpu.h"
#include "base/footprint.h"
#include "base/log.h"
#include "base/time.h"
#include "cmd/kit/train.h"
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Set by the signals that ask a run to stop; a second one ends the process. */
static volatile sig_atomic_t stop_asked;

static void ask_to_stop(int signal_number) {
    (void)signal_number;
    stop_asked = 1;
}

static void listen(void) {
    struct sigaction action = {.sa_handler = ask_to_stop, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool stop(void *user) {
    (void)user;
    return stop_asked;
}

/* The roof of the job's precision on the job's own threads. The clock floats and others use the machine too, so that
 * the best of samples over the whole run counts. */
static void sample_roof(train_view *v) {
    enum { SAMPLES = 3 };
    const num_format *precision = v->j->options.step.precision;
    bench *b = &v->machine;
    if (!b->memory || time_seconds() - v->roof_seconds < 2) return;
    bool narrow = precision && !strcmp(precision->name, "bf16");
    const roof_def *def = narrow ? bench_roof_best(b, ROOF_BF16) : NULL;
    if (!def) def = bench_roof_best(b, ROOF_F32);
    for (int i = 0; def && i < SAMPLES; i++)
        v->roof = fmax(v->roof, bench_roof_sample(b, def, b->rounds[def->kind]));
    v->roof_seconds = time_seconds();
}

static void open_roof(train_view *v) {
    enum {
        ROOF_BYTES = 1 << 20
    }; /* for a thread, of which loops that only count touch a few pages */
    v->machine = (bench){.cx = v->call->cx, .workers = v->j->workers, .windows = 1};
    v->machine.threads = pool_threads(v->j->workers);
    v->machine.memory_bytes = (int64_t)ROOF_BYTES * v->machine.threads;
    v->machine.memory = context_alloc(v->call->cx, (size_t)v->machine.memory_bytes);
    v->roof_seconds = -HUGE_VAL;
    sample_roof(v);
}

double train_share(const train_view *v, double flop_rate) {
    double share = v->roof > 0 && flop_rate > 0 ? flop_rate / v->roof : NAN;
    return share <= BENCH_MOST_SHARE ? share : NAN;
}

/* ---- the run store ---- */

static void put_row(train_view *v) {
    if (!v->store) return;
    if (runs_put(v->store, &v->row) == STATUS_OK) return;
    log_warning("%s; the run goes on without it", context_error(v->call->cx));
    context_clear(v->call->cx);
    runs_close(v->store);
    v->store = NULL;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static char *now_text(arena *mem) {
    char text[TIME_TEXT_BYTES];
    time_text(time_unix_seconds(), text);
    return arena_strdup(mem, text);
}

static status open_row(train_view *v) {
    const train_options *o = v->call->options;
    arena *mem = v->call->memory;
    char *folder = realpath(o->out, NULL);
    v->row = run_row_unknown;
    v->row.kind = "train";
    v->row.name = o->name ? o->name : base_name(o->out);
    v->row.folder = folder ? arena_strdup(mem, folder) : o->out;
    v->row.state = "running";
    v->row.started = now_text(mem);
    v->row.model = o->preset ? o->preset : v->j->options.config.model_type;
    v->row.job = v->j->options.described;
    v->row.parameters = v->j->result.parameters;
    v->row.seed = o->seed;
    v->row.steps = o->steps;
    v->row.step = v->first_step;
    v->row.planned_bytes = v->j->result.planned_bytes;
    free(folder);
    if (!v->row.folder || !v->row.started) return STATUS_NO_MEMORY;
    if (o->record && runs_open(v->call->cx, NULL, &v->store) != STATUS_OK) {
        log_warning("%s; the run is not listed", context_error(v->call->cx));
        context_clear(v->call->cx);
    }
    put_row(v);
    return STATUS_OK;
}

static void note_report(train_view *v, const train_report *r) {
    v->row.step = r->step;
    v->row.tokens = r->tokens;
    v->row.train_loss = r->loss;
    v->row.seconds = r->seconds;
    v->row.token_rate = r->seconds > 0 ? (double)r->tokens / r->seconds : 0;
    v->row.peak_bytes = footprint_peak_bytes();
    v->row.share = train_share(v, r->flop_rate);
    if (!isfinite(r->validation)) return;
    v->row.validation_loss = r->validation;
    v->row.best_loss = r->best_loss;
    put_row(v);
}

/* ---- the live line ---- */

static void show(train_view *v, const train_report *r) {
    char note[160], held_out[32] = "", share[32] = "";
    if (isfinite(r->validation)) {
        v->last_validation = r->validation;
        log_info("step %lld: validation loss %.4f%s", (long long)r->step, r->validation,
                 r->best_step == r->step ? ", the best so far" : "");
    }
    if (isfinite(v->last_validation))
        snprintf(held_out, sizeof held_out, "  held-out %.4f", v->last_validation);
    if (isfinite(v->row.share))
        snprintf(share, sizeof share, "  %.0f%% of roof", 100 * v->row.share);
    snprintf(note, sizeof note, "step %lld  loss %.4f%s  %.0f tokens/s%s  %lld MiB",
             (long long)r->step, r->loss, held_out, r->token_rate, share,
             (long long)(footprint_peak_bytes() >> 20));
    progress_show(&v->line, r->step - v->first_step, note);
}

static status write_events(train_view *v, const train_report *r) {
    tfevents_scalar scalars[] = {{"loss/train", r->loss},
                                 {"lr", r->lr},
                                 {"gradient/norm", r->norm},
                                 {"speed/tokens_per_second", r->token_rate},
                                 {"speed/share_of_roof", v->row.share},
                                 {"loss/validation", r->validation}};
    return tfevents_write(&v->events, r->step, scalars,
                          COUNT_OF(scalars) - (isfinite(r->validation) ? 0 : 1));
}

static status report(void *user, const train_report *r) {
    train_view *v = user;
    if (isfinite(r->validation)) sample_roof(v);
    note_report(v, r);
    if (v->shows) show(v, r);
    int64_t every = ((const train_options *)v->call->options)->sample_every;
    if (every && r->step % every == 0) TRY(train_samples_draw(&v->samples, r->step));
    TRY(record_write(&v->record, r, v->row.share));
    return v->events.file ? write_events(v, r) : STATUS_OK;
}

static status saving(void *user) {
    train_view *v = user;
    return record_flush(&v->record);
}

status train_view_open(const verb_call *call, job *j, int64_t first_step, train_view *out) {
    const train_options *o = call->options;
    *out = (train_view){.call = call, .j = j, .first_step = first_step, .last_validation = NAN};
    listen();
    open_roof(out);
    TRY(train_samples_open(call, j, &out->samples));
    TRY(record_open(call->cx, o->out, first_step, &out->record));
    if (o->tensorboard) TRY(tfevents_open(call->cx, o->out, &out->events));
    progress_begin(&out->line, "training", o->steps - first_step);
    out->shows = out->line.out != NULL;
    return open_row(out);
}

train_watch train_view_watch(train_view *v) {
    return (train_watch){.user = v, .report = report, .stop = stop, .saving = saving};
}

void train_view_close(train_view *v, const char *state) {
    if (!v->call) return;
    progress_end(&v->line);
    (void)record_close(&v->record); /* what fails here has failed before, or at the disk's end */
    tfevents_close(&v->events);
    v->row.state = state;
    v->row.finished = now_text(v->call->memory);
    if (v->j->result.weights_sha256[0]) v->row.weights_sha256 = v->j->result.weights_sha256;
    put_row(v);
    runs_close(v->store);
    train_samples_close(&v->samples);
    context_release(v->call->cx, v->machine.memory);
    *v = (train_view){0};
}
