#include "train/job.h"
#include "base/cpu.h"
#include "base/footprint.h"
#include "base/log.h"
#include "store/lineage.h"
#include "text/tokenizer.h"
#include "train/result.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the folder ---- */

static status take_lock(job *j) {
    const char *folder = j->options.folder;
    j->new_folder = mkdir(folder, 0777) == 0;
    if (!j->new_folder && errno != EEXIST)
        FAIL(j->cx, STATUS_IO, "making the folder '%s': %s", folder, strerror(errno));
    char *path = arena_printf(&j->mem, "%s/lock", folder);
    if (!path) return STATUS_NO_MEMORY;
    j->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (j->lock < 0) FAIL(j->cx, STATUS_IO, "'%s': %s", path, strerror(errno));
    if (flock(j->lock, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK) FAIL(j->cx, STATUS_IO, "locking '%s': %s", path, strerror(errno));
        FAIL(j->cx, STATUS_BUSY, "the run folder '%s' is in use by another process", folder);
    }
    return STATUS_OK;
}

/* A folder that was made for nothing goes again, unless something was prepared in it. */
static void drop_folder(job *j) {
    char *path = arena_printf(&j->mem, "%s/lock", j->options.folder);
    if (!j->new_folder || !path) return;
    unlink(path);
    if (rmdir(j->options.folder)) log_debug("'%s' stays: %s", j->options.folder, strerror(errno));
}

/* A folder that holds a run already is only continued, never overwritten. */
static status check_folder(job *j) {
    const char *folder = j->options.folder;
    char *last = trainer_checkpoint_path(folder, "last", &j->mem);
    char *config = arena_printf(&j->mem, "%s/config.json", folder);
    if (!last || !config) return STATUS_NO_MEMORY;
    if (j->options.resume && !file_exists(last)) {
        log_warning("'%s' has no checkpoint to resume from: starting at the beginning", folder);
        j->options.resume = false;
    }
    if (!j->options.resume && (file_exists(last) || file_exists(config)))
        FAIL(j->cx, STATUS_BAD_ARGUMENT,
             "'%s' holds a run already: --resume goes on with it, --out names another folder",
             folder);
    return STATUS_OK;
}

/* ---- model and data ---- */

static status open_model(job *j) {
    if (!j->options.from) return STATUS_OK;
    TRY(model_open(j->cx, j->options.from, &j->from));
    j->options.config = j->from->config;
    return STATUS_OK;
}

loader_options job_loader_options(const job *j, token_split split) {
    const job_options *o = &j->options;
    bool windows = o->windows && split == TOKENS_TRAIN;
    return (loader_options){.split = split,
                            .tokens = o->batch * o->context,
                            .longest = o->context,
                            .windows = windows ? o->batch : 0,
                            .seed = o->step.seed,
                            .in_order = split != TOKENS_TRAIN,
                            .epochs = split == TOKENS_TRAIN ? 0 : 1};
}

/* Ids of the data mean to the model what they say. */
static status compare_words(job *j, const tokenizer *own, const tokenizer *data) {
    text_buffer a = {.cx = j->cx}, b = {.cx = j->cx};
    int32_t count = MIN_OF(tokenizer_size(own), tokenizer_size(data));
    status st = STATUS_OK;
    for (int32_t id = 0; st == STATUS_OK && id < count; id++) {
        a.length = b.length = 0;
        st = tokenizer_decode(own, &(decoder){.started = true}, &id, 1, &a);
        if (st == STATUS_OK) st = tokenizer_decode(data, &(decoder){.started = true}, &id, 1, &b);
        if (st != STATUS_OK) break;
        if (a.length == b.length && (!a.length || !memcmp(a.bytes, b.bytes, (size_t)a.length)))
            continue;
        st = STATUS_BAD_ARGUMENT;
        context_fail(j->cx, st,
                     "token %d of '%s' is another than the model '%s' knows by this id: prepare "
                     "the data with the model's tokenizer",
                     id, j->options.data, j->options.from);
    }
    text_free(&a);
    text_free(&b);
    return st;
}

/* Where the model has no tokenizer, nobody knows. */
static status fit_words(job *j, const token_set *set) {
    tokenizer *own = NULL, *data = NULL;
    if (!j->from) return STATUS_OK;
    if (tokenizer_open(j->cx, j->options.from, &own) != STATUS_OK) {
        context_clear(j->cx);
        return STATUS_OK;
    }
    status st = tokenizer_open(j->cx, set->tokenizer, &data);
    if (st == STATUS_OK) st = compare_words(j, own, data);
    tokenizer_free(own);
    tokenizer_free(data);
    return st;
}

static status fit_vocabulary(job *j, const token_set *set) {
    model_config *c = &j->options.config;
    if (j->from && c->vocabulary < set->vocabulary)
        FAIL(j->cx, STATUS_BAD_ARGUMENT,
             "the data of '%s' uses %lld ids, but the model '%s' knows only %lld: prepare it with "
             "the model's tokenizer",
             j->options.data, (long long)set->vocabulary, j->options.from,
             (long long)c->vocabulary);
    if (!j->from) c->vocabulary = MAX_OF(set->vocabulary, j->options.least_vocabulary);
    if (!j->from && set->begin >= 0) c->begin_token = set->begin;
    if (!j->from && set->end >= 0) {
        c->end_tokens[0] = set->end;
        c->end_token_count = 1;
    }
    if (j->options.context > c->positions) {
        if (j->from)
            FAIL(j->cx, STATUS_BAD_ARGUMENT, "--context is %lld, but the model has %lld positions",
                 (long long)j->options.context, (long long)c->positions);
        c->positions = j->options.context;
    }
    return STATUS_OK;
}

static status open_data(job *j) {
    loader_options train = job_loader_options(j, TOKENS_TRAIN);
    loader_options held_out = job_loader_options(j, TOKENS_VALIDATION);
    TRY(language_data_open(j->cx, j->options.data, &train, &j->learn));
    const token_set *set = loader_set(j->learn.l);
    TRY(fit_vocabulary(j, set));
    TRY(fit_words(j, set));
    j->has_validation = j->options.trainer.evaluate_every && set->part[TOKENS_VALIDATION].tokens;
    if (j->options.trainer.evaluate_every && !j->has_validation)
        log_warning("'%s' holds no validation split: nothing is evaluated", j->options.data);
    if (!j->has_validation) return STATUS_OK;
    return language_data_open(j->cx, j->options.data, &held_out, &j->validation);
}

step_options job_step_options(const job *j, int64_t batch) {
    step_options o = j->options.step;
    int64_t sequences = loader_most_sequences(j->learn.l);
    if (j->has_validation) sequences = MAX_OF(sequences, loader_most_sequences(j->validation.l));
    o.tokens = batch * j->options.context;
    o.sequences = MIN_OF(sequences, o.tokens);
    o.gathers = j->options.trainer.parts > 1;
    return o;
}

static status build(job *j) {
    step_options o = job_step_options(j, j->options.batch);
    j->language =
        (language){.config = &j->options.config, .from = j->from, .seed = j->options.step.seed};
    step_model m = language_model(&j->language);
    TRY(pool_new(j->cx, j->options.threads, &j->workers));
    footprint_forget_peak();
    TRY(job_check_memory(j, cpu_get()->memory_bytes));
    j->store = states_new(j->cx);
    if (!j->store) return STATUS_NO_MEMORY;
    TRY(step_new(j->cx, &m, &o, j->store, j->workers, &j->s));
    if (j->has_validation) TRY(score_new(j->cx, &m, &o, j->store, j->workers, &j->judge));
    for (int32_t i = 0; i < j->s->n_parameters; i++)
        j->result.parameters += tensor_elems(&states_find(j->store, j->s->names[i])->t);
    return STATUS_OK;
}

static status open_all(job *j) {
    TRY(take_lock(j));
    TRY(check_folder(j));
    if (j->options.prepare) TRY(j->options.prepare(j->options.user, &j->options.data));
    TRY(open_model(j));
    TRY(open_data(j));
    return build(j);
}

status job_open(context *cx, const job_options *o, job *j) {
    *j = (job){.cx = cx, .mem = arena_make(cx), .options = *o, .lock = -1};
    status st = open_all(j);
    if (st != STATUS_OK) drop_folder(j);
    if (st != STATUS_OK) job_close(j);
    return st;
}

void job_close(job *j) {
    if (!j->cx) return;
    trainer_end(&j->t);
    score_free(j->judge);
    step_free(j->s);
    states_free(j->store);
    pool_free(j->workers);
    language_data_close(&j->learn);
    language_data_close(&j->validation);
    model_close(j->from);
    if (j->lock >= 0) close(j->lock);
    arena_free(&j->mem);
    *j = (job){0};
}

/* ---- the result ---- */

/* What this run did to which model; the operations of earlier sittings are taken at the rate of this one. */
static status write_lineage(job *j) {
    lineage parent, l = {.recipe = arena_printf(&j->mem, "train %s", j->options.described),
                         .sha256 = j->result.weights_sha256,
                         .cost_flops = j->result.flop_rate * j->result.seconds,
                         .cost_seconds = j->result.seconds,
                         .peak_bytes = j->result.peak_bytes,
                         .parents = &parent,
                         .n_parents = j->options.from != NULL};
    if (!l.recipe) return STATUS_NO_MEMORY;
    if (j->options.from) TRY(lineage_of_parent(&j->mem, j->options.from, &parent));
    return lineage_write(j->cx, j->options.folder, &l);
}

static status write_result(job *j) {
    const char *folder = j->options.folder;
    char *best = trainer_checkpoint_path(folder, "best", &j->mem);
    progress_state at;
    if (!best) return STATUS_NO_MEMORY;
    if (j->options.best && file_exists(best))
        TRY(checkpoint_read(j->cx, best, j->store, &j->mem, &at));
    step_average_exchange(j->s);
    TRY(model_save(j->cx, folder, &j->options.config, j->store, j->options.format));
    TRY(result_write_tokenizer(j->cx, folder, loader_set(j->learn.l)->tokenizer, j->options.from,
                               &j->options.config));
    TRY(lineage_hash(j->cx, folder, j->result.weights_sha256));
    return write_lineage(j);
}

static void summarise(job *j) {
    job_result *r = &j->result;
    r->steps = j->t.at.step;
    r->tokens = j->t.at.tokens;
    r->train_loss = j->t.at.train_loss;
    r->best_loss = j->t.at.best_loss;
    r->validation_loss = j->t.at.validation_loss;
    r->seconds = j->t.at.seconds;
    r->token_rate = r->seconds > 0 ? (double)r->tokens / r->seconds : 0;
    r->flop_rate = j->t.sitting_seconds > 0 ? j->t.sitting_flops / j->t.sitting_seconds : 0;
    r->peak_bytes = footprint_peak_bytes();
    r->stopped = j->t.stopped;
}

status job_begin(job *j) {
    trainer_options o = j->options.trainer;
    o.folder = j->options.folder;
    o.job = j->options.described;
    train_source validation = {0};
    if (j->has_validation) validation = language_source(&j->validation);
    TRY(trainer_begin(j->cx, &o, j->s, j->judge, language_source(&j->learn), validation,
                      (train_watch){0}, &j->t));
    return j->options.resume ? trainer_resume(&j->t) : STATUS_OK;
}

status job_run(job *j, train_watch watch) {
    j->t.watch = watch;
    status st = trainer_run(&j->t);
    summarise(j);
    TRY(st);
    return j->t.stopped ? STATUS_OK : write_result(j);
}
